//! Kubeconfigs that this program issued, as remembered: where they went and until when they work. Never the secret.

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId};

/// One issued kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// For which cluster.
    pub cluster: ClusterId,
    /// When that cluster was created, where it was told: one made anew under the name is another one.
    pub created: Option<Timestamp>,
    /// When it was issued, by our clock.
    pub issued: Timestamp,
    /// `expirationTimestamp` as the server returned it.
    pub expires: Timestamp,
    /// Where it went, in words ("~/.kube/config, context shop-prod").
    pub place: String,
}

impl Access {
    /// Whether it ended by itself.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether it is for this cluster, and not for an earlier one of the same address.
    pub fn is_of(&self, cluster: &Cluster) -> bool {
        self.cluster == cluster.id
            && match (self.created, cluster.created) {
                (Some(ours), Some(theirs)) => ours == theirs,
                // Written down before creation was: nothing is issued for a cluster that is not there yet.
                (None, Some(created)) => self.issued >= created,
                (_, None) => true,
            }
    }

    /// Whether it was issued before the last start, so that *complete* ends it.
    pub fn breaks_on_complete(&self, cluster: &Cluster) -> bool {
        cluster.rotation.initiated.is_some_and(|initiated| self.issued < initiated)
    }
}

/// A kubeconfig of this machine that uses a static token for a cluster: it dies at *start*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticToken {
    /// File.
    pub file: String,
    /// Name of the context.
    pub context: String,
}

/// The best working kubeconfig among those issued for a cluster: the one that lives longest.
pub fn best<'a>(
    issued: impl IntoIterator<Item = &'a Access>,
    cluster: &Cluster,
    now: Timestamp,
) -> Option<&'a Access> {
    issued
        .into_iter()
        .filter(|access| access.is_of(cluster) && !access.is_expired(now))
        .max_by_key(|access| access.expires)
}

/// Adds what another instance of the program issued. What both know of stands once.
pub fn join(ours: &mut Vec<Access>, theirs: impl IntoIterator<Item = Access>) {
    for access in theirs {
        let known = ours.iter_mut().find(|known| {
            (&known.cluster, known.issued, known.expires, &known.place)
                == (&access.cluster, access.issued, access.expires, &access.place)
        });
        match known {
            Some(known) => known.created = known.created.or(access.created),
            None => ours.push(access),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::access::{Access, best, join};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;

    fn access(created: Option<Timestamp>, place: &str) -> Access {
        Access {
            cluster: cluster("web", Phase::Never).id,
            created,
            issued: now() - SignedDuration::from_hours(1),
            expires: now() + SignedDuration::from_hours(1),
            place: place.into(),
        }
    }

    #[test]
    fn a_kubeconfig_is_for_the_cluster_that_it_was_issued_for_and_no_later_one() {
        let mut web = cluster("web", Phase::Never);
        let anew = now() - SignedDuration::from_mins(10);
        for (ours, theirs, is_of) in [
            (Some(anew), Some(anew), true),
            (Some(anew - SignedDuration::from_hours(9)), Some(anew), false),
            (None, Some(anew), false),
            (None, Some(anew - SignedDuration::from_hours(9)), true),
            (Some(anew), None, true),
            (None, None, true),
        ] {
            web.created = theirs;
            let issued = [access(ours, "a")];
            assert_eq!(best(&issued, &web, now()).is_some(), is_of, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn what_two_instances_know_of_stands_once() {
        let mut ours = vec![access(None, "a"), access(None, "b")];
        join(&mut ours, [access(Some(now()), "b"), access(None, "c")]);
        let places: Vec<_> = ours.iter().map(|a| (a.place.as_str(), a.created)).collect();
        assert_eq!(places, [("a", None), ("b", Some(now())), ("c", None)]);
    }
}
