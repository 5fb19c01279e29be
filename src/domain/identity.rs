//! Who this program acts as, by which token source, and until when.

use jiff::Timestamp;

/// What the header says about the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Email or id from the token's claims; "?" when the token does not tell.
    pub who: String,
    /// Where the token comes from ("token file").
    pub source: String,
    /// When the token ends (its `exp`); `None` when it does not tell.
    pub until: Option<Timestamp>,
    /// Whether the source makes a new token before the old one ends.
    pub renews: bool,
    /// Whether the user can log in again in the terminal.
    pub logs_in: bool,
}
