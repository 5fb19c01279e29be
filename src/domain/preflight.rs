//! What is known before a step: findings that forbid, warn, or say what cannot be known from here.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::{Action, permits};
use crate::domain::age::{long, since};
use crate::domain::cluster::{Cluster, ClusterState};
use crate::domain::credential::{Access, Credentials, StaticToken, Verdict};
use crate::domain::roll;
use crate::domain::rotation::{Phase, Step};
use crate::domain::snapshot::ClusterSnapshot;
use crate::domain::text::plural;

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingMark {
    Fine,
    Note,
    /// The step is refused.
    Refused,
    /// Cannot be known from here.
    Unknowable,
}

/// One line of a preflight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub mark: FindingMark,
    /// One clause.
    pub text: String,
}

impl Finding {
    /// A finding in one clause, without a full stop.
    pub fn new(mark: FindingMark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into() }
    }
}

/// What this machine knows beside the cluster itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    pub credentials: Credentials,
    /// Static-token kubeconfigs for this cluster found in the user's kubeconfig files; `None` while nobody has looked.
    pub static_tokens: Option<Vec<StaticToken>>,
    /// SKE's clock minus this machine's: what SKE issued ends by its own.
    pub skew: SignedDuration,
    /// What the cluster's own API shows now; `None` while nobody looks, or it cannot be reached.
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// Why there is no snapshot, in a clause.
    pub unseen: Option<String>,
}

/// How loud the static-token warning of a start is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticTokenWarning {
    /// There is evidence that static tokens exist; why.
    Loud(String),
    /// One line.
    Quiet(String),
}

/// The static-token warning of a start: always there, loud where there is evidence.
pub fn static_token_warning(cluster: &Cluster, evidence: &Evidence) -> StaticTokenWarning {
    let found = evidence.static_tokens.as_deref().unwrap_or_default();
    if let Some(first) = found.first() {
        let more =
            if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
        return StaticTokenWarning::Loud(format!(
            "{} found on this machine: context {} in {}{more}",
            found.len(),
            first.context,
            first.file
        ));
    }
    if cluster.version.may_have_static_tokens() {
        return StaticTokenWarning::Loud(if cluster.version.is_known() {
            format!("version {} still has them", cluster.version.as_str())
        } else {
            "its version cannot be read here, so they may be in use".to_owned()
        });
    }
    if cluster.rotation.phase == Phase::Never {
        return StaticTokenWarning::Loud(
            "this cluster was never rotated, so they may be in use".to_owned(),
        );
    }
    StaticTokenWarning::Quiet(if evidence.static_tokens.is_some() {
        "none found on this machine; others cannot be seen from here".to_owned()
    } else {
        "others cannot be seen from here".to_owned()
    })
}

/// Everything known before a step, most important first.
pub fn findings(
    step: Step,
    cluster: &Cluster,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<Finding> {
    let mut out = vec![match permits(cluster, Action::Rotate(step)) {
        Ok(()) => Finding::new(
            FindingMark::Fine,
            format!("phase is {}, {} is allowed", cluster.rotation.phase.word(), step.verb()),
        ),
        Err(refusal) => Finding::new(FindingMark::Refused, refusal.to_string()),
    }];
    out.push(match cluster.state {
        ClusterState::Healthy => Finding::new(FindingMark::Fine, "SKE reports the cluster healthy"),
        ClusterState::Unhealthy => Finding::new(
            FindingMark::Note,
            "SKE reports the cluster unhealthy; look before you go on",
        ),
        ClusterState::Reconciling => {
            Finding::new(FindingMark::Note, "another operation is running (reconciling)")
        }
        ClusterState::Creating
        | ClusterState::Deleting
        | ClusterState::Hibernated
        | ClusterState::Hibernating
        | ClusterState::WakingUp
        | ClusterState::Unknown(_) => {
            Finding::new(FindingMark::Note, format!("state is {}", cluster.state.word()))
        }
    });
    for problem in &cluster.problems {
        out.push(Finding::new(
            FindingMark::Note,
            format!("SKE reports {}: {}", problem.code, problem.message),
        ));
    }
    let there = now.saturating_add(evidence.skew).unwrap_or(now);
    if let Some(doubt) = cluster.rotation.doubt(there) {
        out.push(Finding::new(
            FindingMark::Note,
            format!("the times that SKE shows are doubtful: {doubt}"),
        ));
    }
    out.push(access_finding(step, cluster, evidence, there));
    let snapshot = evidence.snapshot.as_deref();
    if let (None, Some(why)) = (snapshot, &evidence.unseen) {
        out.push(Finding::new(
            FindingMark::Unknowable,
            format!("nodes and pods cannot be seen: {why}"),
        ));
    }
    match step {
        Step::Start => out.extend(roll::preflight::start(cluster, snapshot, now)),
        Step::Complete => {
            out.extend(
                snapshot.into_iter().flat_map(|p| roll::preflight::complete(cluster, p, now)),
            );
            complete_findings(cluster, evidence, there, &mut out);
        }
    }
    // What nobody can know must not push out what is known.
    out.sort_by_key(|finding| finding.mark == FindingMark::Unknowable);
    out
}

fn access_finding(step: Step, cluster: &Cluster, evidence: &Evidence, now: Timestamp) -> Finding {
    let held = evidence.credentials.best(cluster, now);
    let held = held.filter(|(_, verdict)| step == Step::Start || verdict.lasts());
    if let Some((access, _)) = held {
        let place = access.place.words();
        let left = access
            .expires
            .map_or_else(String::new, |at| format!(", valid for {}", long(since(now, at))));
        let after = if step == Step::Complete { " issued after the start" } else { "" };
        return Finding::new(
            FindingMark::Fine,
            format!("you hold a kubeconfig{after}{left} ({place})"),
        );
    }
    let judged = evidence.credentials.judged(cluster, now);
    let unclear = judged.iter().find(|(_, verdict)| *verdict == Verdict::CannotTell);
    if let Some((access, _)) = unclear {
        let question = match step {
            Step::Start => "works",
            Step::Complete => "keeps working after complete",
        };
        let place = access.place.words();
        return Finding::new(
            FindingMark::Unknowable,
            format!(
                "whether the kubeconfig in {place} {question} cannot be told: {}; Esc, then K to issue one",
                why_unclear(access, cluster)
            ),
        );
    }
    let text = match step {
        // Asking for one would switch the static tokens off before anybody was warned.
        Step::Start if cluster.issuing_is_one_way() => {
            "no kubeconfig of this cluster was issued by skeys"
        }
        Step::Start => "no kubeconfig issued by skeys is valid; Esc, then K to issue one",
        Step::Complete => "no kubeconfig issued by skeys since the start; Esc, then K to issue one",
    };
    Finding::new(FindingMark::Note, text)
}

/// Why nothing tells what becomes of a kubeconfig, in a clause.
fn why_unclear(access: &Access, cluster: &Cluster) -> &'static str {
    if cluster.rotation.initiated.is_none() {
        "SKE does not state when the rotation started"
    } else if access.issuance.is_none() {
        "an earlier version of skeys issued it and kept nothing of its certificates"
    } else {
        "its certificates do not show whether it is from before or after the start"
    }
}

fn complete_findings(
    cluster: &Cluster,
    evidence: &Evidence,
    now: Timestamp,
    out: &mut Vec<Finding>,
) {
    let judged = evidence.credentials.judged(cluster, now);
    let breaking: Vec<&Access> = judged
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::BreaksOnComplete)
        .map(|(access, _)| *access)
        .collect();
    if let Some(first) = breaking.first() {
        out.push(Finding::new(
            FindingMark::Note,
            format!(
                "{} issued by skeys before the start will break ({}{})",
                plural(breaking.len(), "kubeconfig", "kubeconfigs"),
                first.place.words(),
                if breaking.len() > 1 { ", …" } else { "" }
            ),
        ));
    }
    out.push(Finding::new(
        FindingMark::Unknowable,
        "clients outside this machine cannot be checked from here",
    ));
}

#[cfg(test)]
mod tests {
    use crate::domain::cluster::KubernetesVersion;
    use crate::domain::credential::{Credentials, StaticToken};
    use crate::domain::fixtures::{access, cluster, now};
    use crate::domain::preflight::{
        Evidence, FindingMark, StaticTokenWarning, findings, static_token_warning,
    };
    use crate::domain::rotation::{Phase, Step};

    #[test]
    fn the_static_token_warning_is_loud_exactly_where_there_is_evidence() {
        let nothing = Evidence { static_tokens: Some(Vec::new()), ..Evidence::default() };
        let quiet = static_token_warning(&cluster("a", Phase::Completed), &nothing);
        assert!(matches!(quiet, StaticTokenWarning::Quiet(_)));
        let never = static_token_warning(&cluster("a", Phase::Never), &nothing);
        assert!(matches!(never, StaticTokenWarning::Loud(_)));
        let mut old = cluster("a", Phase::Completed);
        old.version = KubernetesVersion::new("1.26.4");
        assert!(matches!(static_token_warning(&old, &nothing), StaticTokenWarning::Loud(_)));
        let found = Evidence {
            static_tokens: Some(vec![StaticToken {
                file: "~/.kube/config".into(),
                context: "shop".into(),
            }]),
            ..Evidence::default()
        };
        let StaticTokenWarning::Loud(why) =
            static_token_warning(&cluster("a", Phase::Completed), &found)
        else {
            panic!("a found token is loud")
        };
        assert!(why.contains("context shop in ~/.kube/config"));
    }

    #[test]
    fn a_pool_that_drains_before_it_surges_is_named() {
        let mut subject = cluster("a", Phase::Never);
        subject.pools[0].max_surge = 1;
        let texts: Vec<_> = findings(Step::Start, &subject, &Evidence::default(), now())
            .into_iter()
            .map(|finding| finding.text)
            .collect();
        assert!(
            texts
                .iter()
                .any(|text| text.contains("pool web: surge 1 + unavailable 0 over 3 zones"))
        );
    }

    #[test]
    fn complete_lists_what_was_issued_before_the_start_as_breaking() {
        let subject = cluster("a", Phase::Prepared);
        let accesses =
            vec![access(&subject, false, "old.yaml"), access(&subject, true, "new.yaml")];
        let credentials = Credentials { accesses, ..Credentials::default() };
        let evidence = Evidence { credentials, ..Evidence::default() };
        let found = findings(Step::Complete, &subject, &evidence, now());
        assert!(found.iter().any(|f| f.mark == FindingMark::Note && f.text.contains("old.yaml")));
        assert!(found.iter().any(|f| f.mark == FindingMark::Fine && f.text.contains("new.yaml")));
        assert!(found.iter().any(|f| f.mark == FindingMark::Unknowable));
    }

    #[test]
    fn cred_05_without_the_moment_of_the_start_a_kubeconfig_is_no_tick() {
        let mut subject = cluster("a", Phase::Prepared);
        let accesses = vec![access(&subject, true, "new.yaml")];
        subject.rotation.initiated = None;
        let credentials = Credentials { accesses, ..Credentials::default() };
        let evidence = Evidence { credentials, ..Evidence::default() };
        let found = findings(Step::Complete, &subject, &evidence, now());
        let about = found.iter().find(|finding| finding.text.contains("new.yaml")).unwrap();
        assert_eq!(about.mark, FindingMark::Unknowable);
        assert!(about.text.contains("cannot be told"), "{}", about.text);
    }
}
