//! The user of a request.

/// The group of every authenticated user.
pub const AUTHENTICATED: &str = "system:authenticated";

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub name: String,
    pub groups: Vec<String>,
    pub admin: bool,
}

impl UserInfo {
    /// A user with the groups of its credential, plus that of all authenticated users.
    pub fn new(name: String, mut groups: Vec<String>, admin: bool) -> Self {
        groups.push(AUTHENTICATED.to_owned());
        Self { name, groups, admin }
    }
}
