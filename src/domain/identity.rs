//! The account that this program acts as, its token source, and its expiry.

use jiff::Timestamp;

/// Account facts for the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Email or id from the token's claims; "?" if unknown.
    pub who: String,
    /// Where the token comes from ("token file").
    pub source: String,
    /// Expiry of the token (`exp`); `None` if unknown.
    pub expires: Option<Timestamp>,
    /// Whether the source renews the token before it expires.
    pub renews: bool,
    /// Whether the user can log in again in the terminal.
    pub logs_in: bool,
}
