//! Text with a tone, which the theme maps to colours.

/// The meaning of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    Plain,
    /// Less important.
    Dim,
    /// The platform is working.
    Busy,
    /// The user has to act.
    Attention,
    Bad,
    Good,
    Warn,
}

/// One cell of a table: text without padding, and its tone.
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

    /// An empty value.
    pub fn dash() -> Self {
        Self::new("—", Tone::Dim)
    }
}
