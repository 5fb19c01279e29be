//! Permissions of an account by project, if known.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::action::Action;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::Failure;

/// Lists clusters; a project without it is not displayed.
pub const LIST: &str = "ske.cluster.list";
const ROTATE: &str = "ske.cluster.credential.rotate";
const ISSUE: &str = "ske.cluster.kubeconfig.create";
const ISSUE_IDP: &str = "ske.cluster.kubeconfig.idp.create";

/// Permissions that are queried; others are unknown.
pub const QUERIED: [&str; 4] = [LIST, ROTATE, ISSUE, ISSUE_IDP];

/// The permissions of one account, by project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions(BTreeMap<ProjectId, BTreeSet<String>>);

impl Permissions {
    /// Adds a permission that the account has in a project.
    pub fn add(&mut self, project: ProjectId, permission: String) {
        self.0.entry(project).or_default().insert(permission);
    }

    /// Projects in which the account has any permission.
    pub fn projects(&self) -> impl Iterator<Item = &ProjectId> {
        self.0.keys()
    }

    /// The permission that an action needs and the account lacks. Also `None` if unknown: for projects missing in the
    /// response, and for actions whose permission is not queried.
    pub fn missing(&self, project: &ProjectId, action: Action) -> Option<&'static str> {
        // The kind of kubeconfig is chosen later; SKE refuses a forbidden one.
        let enough: &[&str] = match action {
            Action::Rotate(_) => &[ROTATE],
            Action::Issue => &[ISSUE, ISSUE_IDP],
            Action::WakeUp | Action::Reconcile => return None,
        };
        let held = self.0.get(project)?;
        let missing = enough.first().copied()?;
        (!enough.iter().any(|one| held.contains(*one))).then_some(missing)
    }
}

/// Projects and permissions of an account.
#[derive(Debug, Clone)]
pub struct Discovered {
    /// `None` if they could not be read.
    pub permissions: Option<Permissions>,
    /// Projects whose clusters the account may list, with their names if known; or why they are unknown.
    pub projects: Result<Vec<(ProjectId, Option<String>)>, Failure>,
}

#[cfg(test)]
mod tests {
    use crate::domain::action::Action;
    use crate::domain::cluster::ProjectId;
    use crate::domain::permissions::{ISSUE, ISSUE_IDP, LIST, Permissions, ROTATE};
    use crate::domain::rotation::Step;

    #[test]
    fn only_what_is_known_to_be_missing_is_missing() {
        let mut held = Permissions::default();
        let (shop, other) = (ProjectId::new("shop"), ProjectId::new("other"));
        held.add(shop.clone(), LIST.to_owned());
        held.add(shop.clone(), ISSUE.to_owned());
        let start = Action::Rotate(Step::Start);
        assert_eq!(held.missing(&shop, start), Some(ROTATE));
        assert_eq!(held.missing(&shop, Action::Issue), None);
        held.add(other.clone(), ISSUE_IDP.to_owned());
        assert_eq!(held.missing(&other, Action::Issue), None, "an account of the IDP alone");
        let third = ProjectId::new("third");
        held.add(third.clone(), LIST.to_owned());
        assert_eq!(held.missing(&third, Action::Issue), Some(ISSUE));
        let other = ProjectId::new("nowhere");
        assert_eq!(held.missing(&shop, Action::WakeUp), None, "not asked about");
        assert_eq!(held.missing(&other, start), None, "not known");
        assert_eq!(Permissions::default().missing(&shop, start), None);
    }
}
