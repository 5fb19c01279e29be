//! Text with a meaning, which the theme turns into colours.

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    Plain,
    /// Less important.
    Dim,
    /// The platform is working.
    Busy,
    /// Somebody must act.
    Attention,
    Bad,
    Good,
    Warn,
}

/// One cell of a table: text without padding, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl Cell {
    /// Text that means this.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// Nothing to say.
    pub fn dash() -> Self {
        Self::new("—", Tone::Dim)
    }
}
