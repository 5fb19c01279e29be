//! The kubeconfig files as the user saw them in a preflight, to be compared before the step is sent.

use std::sync::Arc;

use crate::domain::cluster::Cluster;
use crate::domain::credential::{Credentials, FoundContext, FoundFile};

/// The kubeconfig files as the user saw them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFiles {
    pub files: Arc<[FoundFile]>,
    /// Files that are read beside the default ones, in shown form.
    pub more: Vec<String>,
    /// Tells which contexts are for the cluster.
    pub credentials: Credentials,
}

/// A context with its file, or a file that cannot be read.
type Part<'a> = (&'a str, Result<&'a FoundContext, &'a str>);

impl SeenFiles {
    /// Whether the files now hold other credentials for a cluster.
    pub fn differ(&self, cluster: &Cluster, now: &[FoundFile]) -> bool {
        self.parts(cluster, &self.files) != self.parts(cluster, now)
    }

    fn parts<'a>(&self, cluster: &Cluster, files: &'a [FoundFile]) -> Vec<Part<'a>> {
        let contexts = self.credentials.contexts_of(cluster, files);
        let contexts = contexts.map(|(file, context)| (&*file.path, Ok(context)));
        let unreadable = files.iter().filter_map(|file| {
            let why = file.contexts.as_ref().err()?;
            Some((&*file.path, Err(&**why)))
        });
        contexts.chain(unreadable).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::credential::{Credentials, FoundFile, SignIn, Trust};
    use crate::domain::fixtures::{access, cluster, files_of, found, found_file};
    use crate::domain::preflight::SeenFiles;
    use crate::domain::rotation::Phase;

    #[test]
    fn only_what_is_about_the_cluster_or_cannot_be_read_counts() {
        let subject = cluster("web", Phase::Prepared);
        let accesses = vec![access(&subject, true, "~/.kube/config")];
        let credentials = Credentials { accesses, ..Credentials::default() };
        let files = files_of(&credentials);
        let seen = SeenFiles { files: files.clone().into(), more: Vec::new(), credentials };
        let with = |file: FoundFile| [files.clone(), vec![file]].concat();
        let foreign = found_file("other", "api.example", Trust::System, SignIn::StaticToken);
        assert!(!seen.differ(&subject, &files));
        assert!(!seen.differ(&subject, &with(foreign)), "of another cluster");
        assert!(seen.differ(&subject, &[]), "the only one is gone");
        assert!(seen.differ(&subject, &with(found("broken", Err("not UTF-8".into())))));
        let mut replaced = files.clone();
        let contexts = replaced[0].contexts.as_mut().unwrap();
        contexts[0].sign_in = vec![SignIn::StaticToken];
        assert!(seen.differ(&subject, &replaced), "replaced in its place");
        let mut moved = files.clone();
        moved[0].path = "~/.kube/moved".into();
        assert!(seen.differ(&subject, &moved));
    }
}
