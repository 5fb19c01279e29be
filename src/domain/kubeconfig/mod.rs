//! STUB until the real one lands.
use crate::domain::secret::Secret;
/// s
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// a
    Admin,
    /// b
    Login,
    /// c
    Idp,
}
impl Kind {
    /// w
    pub fn word(self) -> &'static str {
        "admin"
    }
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// a
    Merge,
    /// b
    File(String),
    /// c
    Clipboard,
    /// d
    Stdout,
}
/// s
#[derive(Debug, Clone)]
pub struct Fresh {
    text: Secret,
}
impl Fresh {
    /// c
    pub fn context(&self) -> &'static str {
        ""
    }
    /// s
    pub fn server(&self) -> &'static str {
        ""
    }
    /// n
    pub fn contexts(&self) -> usize {
        1
    }
    /// t
    pub fn text(&self) -> &Secret {
        &self.text
    }
}
/// r
pub fn renamed(fresh: &Fresh, _context: &str) -> Result<Secret, crate::domain::failure::Failure> {
    Ok(fresh.text.clone())
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// a
    pub path: String,
    /// a
    pub link: Option<String>,
    /// a
    pub exists: bool,
    /// a
    pub mode: Option<u32>,
    /// a
    pub others: usize,
    /// a
    pub taken: Vec<String>,
    /// a
    pub current: Option<String>,
    /// a
    pub notes: Vec<String>,
    /// a
    pub fingerprint: Option<String>,
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// a
    pub place: String,
    /// a
    pub notes: Vec<String>,
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// a
    Changed(Plan),
    /// b
    Taken(Plan),
    /// c
    Failed(crate::domain::failure::Failure),
}
/// s
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOptions {
    /// a
    pub context: String,
    /// a
    pub make_current: bool,
    /// a
    pub replace: bool,
}
