//! Findings before a step.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::checklist::{Checklist, ChecklistChange, ChecklistClient};
use crate::domain::cluster::{
    Cluster, ClusterState, HibernationSchedule, KubernetesVersion, ReportedError,
};
use crate::domain::credential::{
    Access, ClientCertificate, Credentials, FoundFile, KubeconfigLocation, Reference, SignIn,
    Trust, VerdictReason,
};
use crate::domain::fixtures::{access, files_of, found, found_file, issuance, now, signing_keys};
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::preflight::credentials::in_cluster;
use crate::domain::preflight::nodes::{before_complete, before_start, nodes_to_replace};
use crate::domain::preflight::{
    ClientsUnknown, Evidence, Finding, FindingMark, Searched, StaticTokens, UnreadFiles, findings,
};
use crate::domain::roll::blocker::cause::{FullPool, NameSample, ObjectName};
use crate::domain::roll::durations::USUAL_NODE;
use crate::domain::roll::history::RollGoal;
use crate::domain::roll::progress::RollProgress;
use crate::domain::roll::tests::blockers::sample;
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::cluster;
use crate::domain::roll::tests::stages::fixture;
use crate::domain::rotation::{InconsistentTimes, Phase, Step};
use crate::domain::snapshot::{
    Budget, ClusterSnapshot, Node, OwnerReference, Pod, RootBundle, Selector, SignedRequest,
    Template, Templates, TokenSecret, Unseen,
};

fn marked(found: &[Finding], mark: FindingMark) -> Vec<&Finding> {
    found.iter().filter(|finding| finding.mark() == mark).collect()
}

fn problem() -> ReportedError {
    ReportedError { code: "SKE_X".into(), message: "broken".into() }
}

fn failing(why: &str) -> Unseen {
    Unseen::Failing(why.into())
}

#[test]
fn static_tokens_are_likely_exactly_where_there_is_evidence() {
    let searched = Evidence { files: Some(Arc::default()), ..Evidence::default() };
    let resting = cluster(Phase::Completed);
    let of_version = |version: &str| Cluster {
        version: KubernetesVersion::new(version),
        ..cluster(Phase::Completed)
    };
    let old = KubernetesVersion::new("1.26.4");
    for (cluster, expected) in [
        (&resting, StaticTokens::Unlikely(Searched::Whole)),
        (&cluster(Phase::Never), StaticTokens::Unlikely(Searched::Whole)),
        (&of_version("1.26.4"), StaticTokens::OldVersion(old)),
        (&of_version("next"), StaticTokens::UnknownVersion),
    ] {
        let found = StaticTokens::find(cluster, &searched);
        assert_eq!(found, expected);
        assert_eq!(found.are_likely(), !matches!(found, StaticTokens::Unlikely(_)));
    }
    let server = format!("api.{}.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", resting.id.name);
    let file = |path, server| found_file(path, server, Trust::System, SignIn::StaticToken);
    let files = vec![file("~/.kube/config", &server), file("other", "api.example")];
    let found = Evidence { files: Some(Arc::from(files)), ..Evidence::default() };
    let StaticTokens::Found(1, location) = StaticTokens::find(&resting, &found) else {
        panic!("one is found")
    };
    assert_eq!(location.describe(), "~/.kube/config, context web");
    let broken = found_without_contexts("~/.kube/broken.yaml");
    let in_part = Evidence { files: Some(Arc::from(vec![broken])), ..Evidence::default() };
    let in_part = StaticTokens::find(&resting, &in_part);
    assert_eq!(in_part, StaticTokens::Unlikely(Searched::InPart));
    let unsearched = StaticTokens::find(&resting, &Evidence::default());
    assert_eq!(unsearched, StaticTokens::Unlikely(Searched::NotYet));
}

/// What this machine knows if its files hold these kubeconfigs.
fn knowing(accesses: Vec<Access>) -> Evidence {
    let credentials = Credentials { accesses, ..Credentials::default() };
    let files = Some(Arc::from(files_of(&credentials)));
    Evidence { credentials, files, ..Evidence::default() }
}

#[test]
fn every_finding_has_the_mark_that_what_is_known_supports() {
    let some = || sample(&["shop/api"]);
    let locations = || vec![access(&cluster(Phase::Prepared), true, "x").location];
    let left = SignedDuration::from_mins(5);
    let (fine, unknown, note) = (FindingMark::Fine, FindingMark::Unknowable, FindingMark::Note);
    let table: [(FindingMark, bool, Vec<Finding>); 4] = [
        (
            fine,
            false,
            vec![
                Finding::Allowed { phase: Phase::Prepared, step: Step::Complete },
                Finding::State(ClusterState::Healthy),
                Finding::AccessHeld {
                    step: Step::Start,
                    left: None,
                    location: locations().remove(0),
                },
                Finding::NodesToReplace { count: 1, takes: USUAL_NODE },
                Finding::NoPdbBlocks,
                Finding::ClientsDone(1),
                Finding::NodesSinceStart(1),
            ],
        ),
        (
            unknown,
            false,
            vec![
                Finding::UnclearCredentials(locations()),
                Finding::FilesUnread(UnreadFiles::NotYet),
                Finding::FilesUnread(UnreadFiles::These(vec!["~/.kube/config".into()])),
                Finding::UnclearTokens { tokens: some(), in_use: false },
                Finding::UnclearCertificates(some()),
                Finding::ClusterUnseen { step: Step::Start, why: "hibernated".into() },
                Finding::OtherClients(ClientsUnknown::NoneListed),
                Finding::OtherClients(ClientsUnknown::NotRead),
                Finding::UnreadableSchedule("@x".into()),
                Finding::Capacity,
                Finding::PdbsNotVisible,
                Finding::BeingRead(vec!["pods"]),
                Finding::KindUnseen("pods", failing("forbidden")),
                Finding::UnreadablePdbs(some()),
                Finding::NodesOfUnknownAge(None),
                Finding::NodesOfUnknownAge(Some(some())),
            ],
        ),
        // What *complete* takes from somebody.
        (
            note,
            true,
            vec![
                Finding::BreakingCredentials(locations()),
                Finding::TokensInUse(some()),
                Finding::BreakingCertificates(some()),
                Finding::PodsWithOldAuthority { pods: some(), restart: Vec::new() },
                Finding::NodesBeforeStart(some()),
                Finding::OpenClients(vec!["ci".into()]),
            ],
        ),
        (
            note,
            false,
            vec![
                Finding::State(ClusterState::Reconciling),
                Finding::Reported(problem()),
                Finding::Times(InconsistentTimes::Future),
                Finding::NoAccess { step: Step::Complete, disables_static_tokens: false },
                Finding::UnusedTokens(some()),
                Finding::HibernationIn(left),
                Finding::DrainsFirst {
                    pool: "web".into(),
                    surge: 1,
                    unavailable: 0,
                    zones: 3,
                    draining: Vec::new(),
                },
                Finding::Webhooks { services: some(), certain: false, refused: BTreeSet::new() },
                Finding::PoolAtMaximum(FullPool { pool: "web".into(), maximum: 3, zones: vec![] }),
                Finding::AnotherRoll(RollProgress::default()),
                Finding::MaintenanceIn(left),
                Finding::CordonedNodes(some()),
                Finding::MisconfiguredPdbs(some()),
                Finding::ExhaustedPdbs(some()),
                Finding::UncomputedPdbs(some()),
                Finding::LongGracePeriods(some()),
                Finding::PodsUnderSeveralPdbs(some()),
                Finding::SingleReplicas(some()),
                Finding::BarePods(some()),
                Finding::PodsWithLocalVolumes(some()),
                Finding::PodsWithLocalData(some()),
                Finding::NodesNotReady(1),
                Finding::UnschedulablePods(some()),
            ],
        ),
    ];
    for (mark, breaks, findings) in table {
        for finding in findings {
            assert_eq!((finding.mark(), finding.breaks()), (mark, breaks), "{finding:?}");
        }
    }
}

#[test]
fn what_may_break_without_being_known_needs_consent() {
    for finding in [
        Finding::UnclearTokens { tokens: sample(&["shop/api"]), in_use: true },
        Finding::ClusterUnseen { step: Step::Complete, why: "no answer".into() },
        Finding::InClusterUnseen("token secrets", failing("forbidden")),
        Finding::RequestsUnseen,
    ] {
        assert_eq!(
            (finding.mark(), finding.breaks()),
            (FindingMark::Unknowable, true),
            "{finding:?}"
        );
    }
}

fn found_unreadable() -> FoundFile {
    found("~/.kube/config", Err("line 1".into()))
}

#[test]
fn what_needs_a_person_comes_first_whatever_it_is_found_from() {
    let mut subject = cluster(Phase::Prepared);
    subject.rotation.completed = Some(now() + SignedDuration::from_mins(30));
    subject.problems.push(problem());
    let accesses = vec![access(&subject, false, "old.yaml")];
    let known = knowing(accesses);
    // What cannot be known is found before what the nodes show.
    let mut files = known.files.as_deref().unwrap_or_default().to_vec();
    files.push(found_unreadable());
    let snapshot = Some(Arc::new(fixture("held_by_pods")));
    let evidence = Evidence { snapshot, files: Some(Arc::from(files)), ..known };
    let found = findings(Step::Complete, &subject, &evidence, now());
    let order = |finding: &Finding| match (finding.mark(), finding.breaks()) {
        (FindingMark::Refused, _) => 0,
        (_, true) => 1,
        (FindingMark::Note, false) => 2,
        (FindingMark::Unknowable, false) => 3,
        (FindingMark::Fine, _) => 4,
    };
    assert!(found.is_sorted_by_key(order), "{found:?}");
    subject.rotation = cluster(Phase::Preparing).rotation;
    let refused = findings(Step::Complete, &subject, &evidence, now());
    assert!(refused.is_sorted_by_key(order), "{refused:?}");
    let orders: BTreeSet<u8> = refused.iter().map(order).collect();
    assert_eq!(orders, BTreeSet::from([0, 1, 2, 3, 4]), "one of each: {refused:?}");
    assert!(refused.contains(&Finding::Reported(subject.problems[0].clone())));
}

#[test]
fn times_are_inconsistent_by_the_clock_of_ske() {
    // SKE's clock is half an hour ahead: a start of twenty minutes ago there is not in the future.
    let mut subject = cluster(Phase::Preparing);
    subject.rotation.initiated = Some(now() + SignedDuration::from_mins(10));
    let found = |skew| {
        let skew = SignedDuration::from_mins(skew);
        let evidence = Evidence { skew, ..Evidence::default() };
        findings(Step::Start, &subject, &evidence, now())
            .contains(&Finding::Times(InconsistentTimes::Future))
    };
    assert_eq!((found(0), found(30), found(-30)), (true, false, true));
}

#[test]
fn the_access_to_count_on_is_one_that_the_step_leaves() {
    let subject = cluster(Phase::Prepared);
    let (old, new) = (access(&subject, false, "old.yaml"), access(&subject, true, "new.yaml"));
    let ended = Access { expires: Some(now()), ..old.clone() };
    let undecided = |path| Access { issuance: None, ..access(&subject, true, path) };
    let left = Some(SignedDuration::from_hours(9));
    let held = |step, access: &Access| Finding::AccessHeld {
        step,
        left,
        location: access.location.clone(),
    };
    let unclear = |step, access: &Access| (step, access.location.clone());
    let (start, complete) = (Step::Start, Step::Complete);
    for (accesses, step, expected) in [
        (vec![old.clone()], start, Ok(held(start, &old))),
        (vec![old.clone()], complete, Err(None)),
        (vec![old.clone(), new.clone()], complete, Ok(held(complete, &new))),
        (vec![ended.clone()], start, Err(None)),
        (
            vec![ended, undecided("a"), undecided("b")],
            start,
            Err(Some(unclear(start, &undecided("a")))),
        ),
        (vec![old, undecided("a")], complete, Err(Some(unclear(complete, &undecided("a"))))),
    ] {
        let found = findings(step, &subject, &knowing(accesses), now());
        let matching: Vec<&Finding> = found
            .iter()
            .filter(|finding| {
                matches!(
                    finding,
                    Finding::AccessHeld { .. }
                        | Finding::AccessUnclear { .. }
                        | Finding::NoAccess { .. }
                )
            })
            .collect();
        let [told] = matching.as_slice() else { panic!("one line about access: {found:?}") };
        match expected {
            Ok(held) => assert_eq!(**told, held),
            Err(None) => {
                assert_eq!(**told, Finding::NoAccess { step, disables_static_tokens: false });
            }
            Err(Some((step, location))) => assert!(
                matches!(told, Finding::AccessUnclear { step: of, location: at, .. } if (of, at) == (&step, &location)),
                "{told:?}"
            ),
        }
    }
}

#[test]
fn cred_15_what_files_hold_that_are_not_read_is_unknown() {
    let broken = found_unreadable;
    let old = access(&cluster(Phase::Prepared), false, "old.yaml");
    let readable = || knowing(vec![old.clone()]).files.unwrap().to_vec();
    for step in [Step::Start, Step::Complete] {
        let none = Finding::NoAccess { step, disables_static_tokens: false };
        for (files, told, searched) in [
            (None, vec![Finding::FilesUnread(UnreadFiles::NotYet)], Searched::NotYet),
            (Some(vec![]), vec![none.clone()], Searched::Whole),
            (
                Some(vec![broken()]),
                vec![none, Finding::FilesUnread(UnreadFiles::These(vec!["~/.kube/config".into()]))],
                Searched::InPart,
            ),
        ] {
            let subject =
                cluster(if step == Step::Start { Phase::Completed } else { Phase::Prepared });
            let evidence = Evidence { files: files.map(Arc::from), ..Evidence::default() };
            let found = findings(step, &subject, &evidence, now());
            let of_files = |finding: &&Finding| {
                matches!(finding, Finding::NoAccess { .. } | Finding::FilesUnread(_))
            };
            assert_eq!(found.iter().filter(of_files).cloned().collect::<Vec<_>>(), told);
            let tokens = StaticTokens::find(&subject, &evidence);
            assert_eq!(tokens, StaticTokens::Unlikely(searched));
        }
    }
    // Beside what can be read.
    let mut files = readable();
    files.push(broken());
    let evidence = Evidence { files: Some(Arc::from(files)), ..knowing(vec![old]) };
    let found = findings(Step::Complete, &cluster(Phase::Prepared), &evidence, now());
    assert!(found.iter().any(|finding| matches!(finding, Finding::BreakingCredentials(_))));
    assert!(
        found.contains(&Finding::FilesUnread(UnreadFiles::These(vec!["~/.kube/config".into()])))
    );
}

#[test]
fn issuing_is_called_one_way_only_before_the_first_start() {
    let mut subject = cluster(Phase::Never);
    for (version, step, disables_static_tokens) in [
        ("1.26.4", Step::Start, true),
        ("1.26.4", Step::Complete, false),
        ("1.33.4", Step::Start, false),
    ] {
        subject.version = KubernetesVersion::new(version);
        let found = findings(step, &subject, &knowing(Vec::new()), now());
        assert!(
            found.contains(&Finding::NoAccess { step, disables_static_tokens }),
            "{version} {step}: {found:?}"
        );
    }
}

#[test]
fn cred_03_a_static_token_is_no_access_to_start_with() {
    let mut subject = cluster(Phase::Never);
    subject.version = KubernetesVersion::new("1.26.4");
    let mut issuance = issuance(1, &[1], Some(subject.rotation.clone()));
    issuance.facts.server = "api.example".into();
    let reference = Reference { cluster: subject.id.clone(), created: subject.created, issuance };
    let mut evidence = knowing(Vec::new());
    evidence.credentials.note(reference);
    let file = found_file("a", "api.example", Trust::Anything, SignIn::StaticToken);
    evidence.files = Some(Arc::from(vec![file]));
    let found = findings(Step::Start, &subject, &evidence, now());
    let told = found
        .iter()
        .find(|finding| matches!(finding, Finding::AccessHeld { .. } | Finding::NoAccess { .. }));
    assert_eq!(
        told,
        Some(&Finding::NoAccess { step: Step::Start, disables_static_tokens: true }),
        "{found:?}"
    );
}

#[test]
fn the_checklist_says_who_has_no_credentials_of_this_rotation() {
    let subject = cluster(Phase::Prepared);
    let list = |clients: &[(&str, bool)]| {
        let mut list = Checklist::default();
        for (name, is_done) in clients {
            let done = subject.rotation.initiated.filter(|_| *is_done);
            let after =
                ChecklistClient { name: (*name).into(), done, ..ChecklistClient::default() };
            list.apply(&ChecklistChange { before: None, after: Some(after) }).unwrap();
        }
        Arc::new(list)
    };
    let known = |list: &Arc<Checklist>, source: ChecklistSource, is_current| KnownChecklist {
        list: Arc::clone(list),
        source,
        is_current,
    };
    let (none, all) = (list(&[]), list(&[("ci", true), ("backup", true)]));
    let some = list(&[("ci", false), ("backup", true)]);
    let ci = || Finding::OpenClients(vec!["ci".into()]);
    let unread = || Finding::OtherClients(ClientsUnknown::NotRead);
    let outdated = || Finding::OtherClients(ClientsUnknown::MayBeOutdated);
    let newer = || ChecklistSource::Unreadable("newer".to_owned());
    for (checklist, expected) in [
        (KnownChecklist::default(), vec![unread()]),
        (
            known(&none, ChecklistSource::Local, true),
            vec![Finding::OtherClients(ClientsUnknown::NoneListed)],
        ),
        (known(&all, ChecklistSource::Local, true), vec![Finding::ClientsDone(2)]),
        (known(&some, ChecklistSource::Local, true), vec![ci()]),
        (known(&none, ChecklistSource::LocalUnseen, false), vec![unread()]),
        (known(&all, ChecklistSource::LocalUnseen, false), vec![outdated()]),
        (known(&all, ChecklistSource::Copy, false), vec![outdated()]),
        (known(&all, ChecklistSource::CopyOfRemoved, false), vec![outdated()]),
        (known(&some, ChecklistSource::Copy, false), vec![ci(), outdated()]),
        (known(&some, newer(), false), vec![ci(), unread()]),
        (known(&all, newer(), false), vec![unread()]),
    ] {
        let evidence = Evidence { checklist, ..Evidence::default() };
        let of_clients = |finding: &&Finding| {
            matches!(
                finding,
                Finding::OtherClients(_) | Finding::ClientsDone(_) | Finding::OpenClients(_)
            )
        };
        let found = findings(Step::Complete, &subject, &evidence, now());
        let found: Vec<Finding> = found.iter().filter(of_clients).cloned().collect();
        assert_eq!(found, expected);
        let before_start = findings(Step::Start, &subject, &evidence, now());
        assert_eq!(before_start.iter().find(of_clients), None, "a start ends no access");
    }
}

#[test]
fn what_complete_ends_in_the_cluster_is_told_apart_from_what_is_unclear() {
    let subject = cluster(Phase::Prepared);
    let start = subject.rotation.initiated.unwrap();
    let day = start.to_zoned(jiff::tz::TimeZone::UTC).date();
    let token = |name: &str, minutes: i64, last_used| {
        Arc::new(TokenSecret {
            namespace: "ci".into(),
            name: name.into(),
            account: name.into(),
            created: Some(start + SignedDuration::from_mins(minutes)),
            last_used,
        })
    };
    let request = |name: &str, signer: u8, ends: i64| {
        let client = issuance(signer, &[], None).facts.client.unwrap();
        let not_after = now() + SignedDuration::from_secs(ends);
        let certificate = ClientCertificate { not_after, ..client };
        SignedRequest { name: name.into(), requester: "me".into(), certificate }
    };
    let unnamed = |name: &str| {
        let request = request(name, 7, 60);
        let certificate = ClientCertificate { authority_key_id: None, ..request.certificate };
        SignedRequest { certificate, ..request }
    };
    let mut seen = ClusterSnapshot {
        // One that is unclear and not used beside one that is used and clear.
        token_secrets: vec![token("robot", -900, Some(day)), token("recent", 10, None)],
        pods: vec![Arc::new(Pod {
            namespace: "shop".into(),
            name: "early".into(),
            created: Some(start),
            node: Some("n1".into()),
            owner: Some(OwnerReference { kind: "StatefulSet".into(), name: "db".into() }),
            ..Pod::default()
        })],
        root_bundles: vec![Arc::new(RootBundle {
            namespace: "shop".into(),
            authorities: 2,
            written: Some(start + SignedDuration::from_mins(1)),
        })],
        ..ClusterSnapshot::default()
    };
    seen.control_plane.signing_keys = Some(signing_keys(2));
    seen.control_plane.signed_requests = Some(vec![
        request("old", 1, 60),
        request("new", 2, 60),
        request("ended", 1, 0),
        unnamed("odd"),
    ]);
    let accesses = vec![access(&subject, false, "old"), access(&subject, true, "new")];
    let credentials = Credentials { accesses, ..Credentials::default() };
    let told = |seen: &ClusterSnapshot| in_cluster(&subject, &credentials, seen, (None, now()));
    let expected = [
        Finding::TokensInUse(sample(&["ci/robot"])),
        Finding::UnclearTokens { tokens: sample(&["ci/recent"]), in_use: false },
        Finding::BreakingCertificates(sample(&["old"])),
        Finding::UnclearCertificates(sample(&["odd"])),
        Finding::PodsWithOldAuthority {
            pods: sample(&["shop/early"]),
            restart: vec!["kubectl -n shop rollout restart statefulset/db".into()],
        },
    ];
    assert_eq!(told(&seen), expected);
    // One of the unclear ones was used.
    let mut used = seen.clone();
    used.token_secrets.push(token("fresh", 10, Some(day)));
    let tokens = sample(&["ci/fresh", "ci/recent"]);
    assert!(told(&used).contains(&Finding::UnclearTokens { tokens, in_use: true }));
    seen.control_plane.signed_requests = None;
    assert_eq!(told(&seen).last(), Some(&Finding::RequestsUnseen));
}

#[test]
fn k8s_25_a_hibernation_while_the_control_plane_is_renewed_is_a_finding_before_a_start() {
    let mut subject = cluster(Phase::Completed);
    // The nodes alone take ten minutes, which ends before 14:14.
    subject.pools[0].zones.truncate(1);
    let minute = |after| HibernationSchedule {
        start: format!("{after} 14 * * *"),
        end: String::new(),
        timezone: "UTC".into(),
    };
    for (start, is_found) in [(14, true), (59, false)] {
        subject.schedules = vec![minute(start)];
        let found = before_start(&subject, Some(&ClusterSnapshot::default()), now());
        let hibernates = found.iter().any(|found| matches!(found, Finding::HibernationIn(_)));
        assert_eq!(hibernates, is_found, "14:{start}");
    }
}

#[test]
fn k8s_35_cordoned_nodes_are_a_finding_before_a_start() {
    let mut seen = fixture("all_new");
    let first = Arc::make_mut(seen.nodes.first_mut().unwrap());
    first.cordoned = true;
    let found = before_start(&cluster(Phase::Completed), Some(&seen), now());
    let is_one =
        |found: &Finding| matches!(found, Finding::CordonedNodes(nodes) if nodes.count == 1);
    assert!(found.iter().any(is_one));
    let roll = crate::domain::roll::tests::at_once(&cluster(Phase::Preparing), &seen);
    let note = crate::domain::roll::RollNote::CordonedNew { pool: "web".into(), nodes: 1 };
    assert!(roll.notes.contains(&note));
}

#[test]
fn complete_lists_what_was_issued_before_the_start_as_breaking() {
    let subject = cluster(Phase::Prepared);
    let accesses = vec![access(&subject, false, "old.yaml"), access(&subject, true, "new.yaml")];
    let locations: Vec<_> = accesses.iter().map(|access| access.location.clone()).collect();
    let credentials = Credentials { accesses, ..Credentials::default() };
    let files = Some(Arc::from(files_of(&credentials)));
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    let found = findings(Step::Complete, &subject, &evidence, now());
    assert!(found.contains(&Finding::BreakingCredentials(vec![locations[0].clone()])));
    let held = |finding: &&Finding| matches!(finding, Finding::AccessHeld { location, .. } if *location == locations[1]);
    assert_eq!(found.iter().find(held).unwrap().mark(), FindingMark::Fine);
    assert_eq!(found.first().map(Finding::breaks), Some(true), "what breaks comes first");
    let is_unclear = |finding: &Finding| matches!(finding, Finding::UnclearCredentials(_));
    assert!(!found.iter().any(is_unclear));
    let undecided = Access { issuance: None, ..access(&subject, true, "odd.yaml") };
    let unclear = Finding::UnclearCredentials(vec![undecided.location.clone()]);
    let found = findings(Step::Complete, &subject, &knowing(vec![undecided]), now());
    assert!(found.contains(&unclear), "{found:?}");
}

fn found_without_contexts(path: &str) -> FoundFile {
    found(path, Err("not UTF-8".to_owned()))
}

#[test]
fn cred_15_what_was_not_read_on_this_machine_is_said_before_complete() {
    let subject = cluster(Phase::Prepared);
    let unread = |files: Option<Vec<FoundFile>>, not_read: Option<&str>| {
        let (files, not_read) = (files.map(Arc::from), not_read.map(str::to_owned));
        let evidence = Evidence { files, not_read, ..Evidence::default() };
        let found = findings(Step::Complete, &subject, &evidence, now()).into_iter();
        let is_of_files = |finding: &Finding| matches!(finding, Finding::FilesUnread(_));
        let found: Vec<Finding> = found.filter(is_of_files).collect();
        assert!(found.iter().all(|finding| finding.mark() == FindingMark::Unknowable));
        found
    };
    assert_eq!(unread(None, None), [Finding::FilesUnread(UnreadFiles::NotYet)]);
    let failed = [Finding::FilesUnread(UnreadFiles::Failed("no answer".to_owned()))];
    assert_eq!(unread(None, Some("no answer")), failed);
    assert_eq!(unread(Some(Vec::new()), Some("no answer")), failed, "what was read is old");
    assert_eq!(unread(Some(vec![found("~/a", Ok(Vec::new()))]), None), []);
    let names = ["~/b", "~/c"];
    let files = names.map(found_without_contexts).to_vec();
    let these = UnreadFiles::These(names.map(str::to_owned).to_vec());
    assert_eq!(unread(Some(files), None), [Finding::FilesUnread(these)]);
}

#[test]
fn cred_05_without_the_moment_of_the_start_a_kubeconfig_is_no_tick() {
    let mut subject = cluster(Phase::Prepared);
    let accesses = vec![access(&subject, true, "new.yaml")];
    let location = accesses[0].location.clone();
    subject.rotation.initiated = None;
    let credentials = Credentials { accesses, ..Credentials::default() };
    let files = Some(Arc::from(files_of(&credentials)));
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    let found = findings(Step::Complete, &subject, &evidence, now());
    let unclear = Finding::AccessUnclear {
        step: Step::Complete,
        location,
        reasons: vec![VerdictReason::RotationUnclear],
    };
    assert!(found.contains(&unclear), "{found:?}");
    assert_eq!(unclear.mark(), FindingMark::Unknowable);
}

#[test]
fn cred_03_a_kubeconfig_that_was_copied_is_no_tick() {
    let subject = cluster(Phase::Prepared);
    let mut copied = access(&subject, true, "");
    copied.location = KubeconfigLocation::Clipboard;
    let credentials = Credentials { accesses: vec![copied], ..Credentials::default() };
    let files = Some(Arc::default());
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    for step in [Step::Start, Step::Complete] {
        let found = findings(step, &subject, &evidence, now());
        let unclear = Finding::AccessUnclear {
            step,
            location: KubeconfigLocation::Clipboard,
            reasons: vec![VerdictReason::NotInFile],
        };
        assert!(found.contains(&unclear), "{found:?}");
    }
}

#[test]
fn k8s_29_what_breaks_in_a_cluster_that_is_no_longer_observed_still_needs_consent() {
    let subject = cluster(Phase::Prepared);
    let start = subject.rotation.initiated.unwrap();
    let token = TokenSecret {
        namespace: "ci".into(),
        name: "robot".into(),
        account: "robot".into(),
        created: Some(start - SignedDuration::from_hours(900)),
        last_used: Some(now().to_zoned(jiff::tz::TimeZone::UTC).date()),
    };
    let mut seen =
        ClusterSnapshot { token_secrets: vec![Arc::new(token)], ..fixture("held_by_pods") };
    seen.control_plane.signed_requests = Some(Vec::new());
    let seen = Arc::new(seen);
    let breaking = |step, snapshot: Option<&Arc<ClusterSnapshot>>, last: Option<&Arc<_>>| {
        let evidence = Evidence {
            unseen: snapshot.is_none().then(|| "no answer".to_owned()),
            snapshot: snapshot.cloned(),
            last_snapshot: last.cloned(),
            ..Evidence::default()
        };
        let found = findings(step, &subject, &evidence, now());
        found.into_iter().filter(Finding::breaks).collect::<Vec<_>>()
    };
    let in_use = || Finding::TokensInUse(sample(&["ci/robot"]));
    let unseen = Finding::ClusterUnseen { step: Step::Complete, why: "no answer".to_owned() };
    let current = breaking(Step::Complete, Some(&seen), Some(&seen));
    assert!(matches!(&current[..], [first, Finding::NodesBeforeStart(_)] if *first == in_use()));
    // Nodes may have been replaced since.
    assert_eq!(breaking(Step::Complete, None, Some(&seen)), [unseen.clone(), in_use()]);
    assert_eq!(breaking(Step::Complete, None, None), [unseen], "nothing was checked");
    assert_eq!(breaking(Step::Start, None, Some(&seen)), [], "a start ends no token");
    let evidence = Evidence { last_snapshot: Some(seen), ..Evidence::default() };
    let found = findings(Step::Complete, &subject, &evidence, now());
    assert!(!found.iter().any(|finding| matches!(finding, Finding::NodesSinceStart(_))));
}

#[test]
fn without_a_snapshot_only_the_ske_api_counts() {
    let mut subject = cluster(Phase::Never);
    subject.pools[0].max_surge = 1;
    let drains_first = Finding::DrainsFirst {
        pool: "web".into(),
        surge: 1,
        unavailable: 0,
        zones: 3,
        draining: vec!["eu01-2".into(), "eu01-3".into()],
    };
    let expected = [drains_first, Finding::Capacity, Finding::PdbsNotVisible];
    assert_eq!(before_start(&subject, None, now()), expected, "how many nodes exist is not known");
}

#[test]
fn a_zone_that_may_miss_a_node_although_the_pool_says_otherwise_is_a_finding() {
    let drains_first = |surge, unavailable| {
        let mut subject = cluster(Phase::Completed);
        let pool = subject.pools.first_mut().unwrap();
        (pool.max_surge, pool.max_unavailable) = (surge, unavailable);
        before_start(&subject, None, now()).into_iter().find_map(|finding| {
            let Finding::DrainsFirst { draining, .. } = finding else { return None };
            Some(draining.len())
        })
    };
    // Of three zones, in the order in which Gardener distributes both numbers.
    for (surge, unavailable, found) in [
        (1, 0, Some(2)),
        (1, 1, Some(2)),
        (1, 2, Some(2)),
        (2, 1, Some(1)),
        (3, 0, None),
        (1, 3, None),
    ] {
        assert_eq!(drains_first(surge, unavailable), found, "{surge}, {unavailable}");
    }
}

#[test]
fn budgets_that_will_block_a_drain_are_counted_and_named() {
    let subject = cluster(Phase::Completed);
    let found = before_start(&subject, Some(&fixture("blocked_by_budgets")), now());
    let never = sample(&["shop/db", "billing/one", "odd/unreadable"]);
    for finding in [
        Finding::MisconfiguredPdbs(never),
        Finding::ExhaustedPdbs(sample(&["payments/api", "unready/sick"])),
        Finding::UnreadablePdbs(sample(&["odd/unreadable"])),
        Finding::PodsUnderSeveralPdbs(sample(&["twice/web-1"])),
    ] {
        assert!(found.contains(&finding), "{finding:?}\n{found:?}");
    }
    assert!(!format!("{found:?}").contains("no-selector"), "it covers nothing");
}

#[test]
fn budgets_of_pods_that_no_drain_evicts_are_no_finding() {
    let subject = cluster(Phase::Completed);
    let agent = |name: &str| Pod {
        owner: Some(OwnerReference { kind: "DaemonSet".into(), name: "agent".into() }),
        ..pod(name, Some("web-1"))
    };
    let failed = Budget { sync_failure: Some("no scale".into()), ..budget(0, 1, 1, 2) };
    let api = || sample(&["payments/api"]);
    let cases = [
        (budget(0, 2, 2, 2), Finding::MisconfiguredPdbs(api())),
        (budget(0, 1, 2, 2), Finding::ExhaustedPdbs(api())),
        (failed, Finding::UncomputedPdbs(api())),
    ];
    for (guard, expected) in cases {
        let mut seen = ClusterSnapshot::default();
        seen.budgets.push(Arc::new(guard));
        seen.pods.extend([agent("agent-1"), agent("agent-2")].map(Arc::new));
        let found = before_start(&subject, Some(&seen), now());
        assert!(found.contains(&Finding::NoPdbBlocks), "{found:?}");
        seen.pods.push(Arc::new(pod("api-1", Some("web-1"))));
        let found = before_start(&subject, Some(&seen), now());
        assert!(found.contains(&expected) && !found.contains(&Finding::NoPdbBlocks), "{found:?}");
    }
}

#[test]
fn what_a_budget_says_of_a_drain_is_what_its_figures_say_of_pods_that_exist() {
    let failed =
        |allowed| Budget { sync_failure: Some("no scale".into()), ..budget(allowed, 0, 0, 0) };
    let unreadable = Budget { selector: Selector::Unreadable("x".into()), ..budget(1, 2, 1, 2) };
    let second = Budget { name: "second".into(), ..budget(1, 2, 1, 2) };
    let api = || pod("api-1", Some("web-1"));
    let agent = || Pod {
        owner: Some(OwnerReference { kind: "DaemonSet".into(), name: "agent".into() }),
        ..api()
    };
    let named = || sample(&["payments/api"]);
    for (budgets, pods, expected) in [
        // A workload that is scaled to zero has nothing to evict.
        (vec![budget(0, 0, 0, 0)], vec![], Finding::NoPdbBlocks),
        (vec![budget(0, 0, 0, 0)], vec![api()], Finding::UncomputedPdbs(named())),
        // Pods that cannot be seen, counted by the budget.
        (vec![budget(0, 1, 1, 1)], vec![], Finding::MisconfiguredPdbs(named())),
        (vec![failed(0)], vec![], Finding::UncomputedPdbs(named())),
        (vec![failed(1)], vec![api()], Finding::NoPdbBlocks),
        (vec![unreadable], vec![], Finding::UnreadablePdbs(named())),
        (vec![budget(1, 2, 1, 2), second.clone()], vec![agent()], Finding::NoPdbBlocks),
        (
            vec![budget(1, 2, 1, 2), second],
            vec![api()],
            Finding::PodsUnderSeveralPdbs(sample(&["payments/api-1"])),
        ),
    ] {
        let seen = ClusterSnapshot {
            budgets: budgets.into_iter().map(Arc::new).collect(),
            pods: pods.into_iter().map(Arc::new).collect(),
            ..ClusterSnapshot::default()
        };
        let found = before_start(&cluster(Phase::Completed), Some(&seen), now());
        let of_budgets = |finding: &&Finding| {
            matches!(
                finding,
                Finding::NoPdbBlocks
                    | Finding::MisconfiguredPdbs(_)
                    | Finding::ExhaustedPdbs(_)
                    | Finding::UncomputedPdbs(_)
                    | Finding::UnreadablePdbs(_)
                    | Finding::PodsUnderSeveralPdbs(_)
            )
        };
        assert_eq!(found.iter().filter(of_budgets).collect::<Vec<_>>(), [&expected], "{seen:?}");
    }
}

#[test]
fn what_a_drain_does_to_a_pod_depends_on_its_controller_and_its_data() {
    let of = |kind: &str| Some(OwnerReference { kind: kind.into(), name: "api".into() });
    let base = || Pod { owner: of("Job"), ..pod("api-1", Some("web-1")) };
    let named = || sample(&["payments/api-1"]);
    for (pod, expected) in [
        (base(), vec![]),
        (
            Pod { owner: of("ReplicaSet"), ..base() },
            vec![Finding::SingleReplicas(sample(&["payments/api"]))],
        ),
        // What it holds goes with it: a controller only helps who loses data.
        (Pod { owner: None, local_data: true, ..base() }, vec![Finding::BarePods(named())]),
        (Pod { local_data: true, ..base() }, vec![Finding::PodsWithLocalData(named())]),
        (Pod { grace_seconds: 599, ..base() }, vec![]),
        (Pod { grace_seconds: 600, ..base() }, vec![Finding::LongGracePeriods(named())]),
        // Not evicted, the platform's, or over already.
        (Pod { owner: of("DaemonSet"), local_data: true, grace_seconds: 900, ..base() }, vec![]),
        (Pod { namespace: "kube-system".into(), local_data: true, ..base() }, vec![]),
        (Pod { finished: true, local_data: true, grace_seconds: 900, ..base() }, vec![]),
    ] {
        let seen = ClusterSnapshot { pods: vec![Arc::new(pod)], ..ClusterSnapshot::default() };
        let found = before_start(&cluster(Phase::Completed), Some(&seen), now());
        let found: Vec<Finding> =
            found.into_iter().filter(|found| found.mark() == FindingMark::Note).collect();
        assert_eq!(found, expected, "{seen:?}");
    }
}

#[test]
fn kinds_still_being_read_are_told_apart_from_those_that_cannot_be() {
    let mut seen = ClusterSnapshot::default();
    seen.unseen.insert("pods", Unseen::Unread);
    seen.unseen.insert("namespaces", Unseen::Unread);
    seen.unseen.insert("nodes", failing("forbidden"));
    seen.unseen.insert("events", failing("forbidden"));
    let found = before_start(&cluster(Phase::Completed), Some(&seen), now());
    assert_eq!(
        marked(&found, FindingMark::Unknowable),
        [
            &Finding::Capacity,
            &Finding::KindUnseen("nodes", failing("forbidden")),
            &Finding::BeingRead(vec!["namespaces", "pods"]),
        ],
        "nothing is found from events"
    );
}

#[test]
fn a_budget_that_is_new_or_was_changed_allows_no_eviction_now() {
    for guard in [budget(1, 2, 1, 2), budget(0, 0, 0, 0)] {
        let mut seen = ClusterSnapshot::default();
        seen.budgets.push(Arc::new(Budget { observed: false, ..guard }));
        seen.pods.push(Arc::new(pod("api-1", Some("web-1"))));
        let found = before_start(&cluster(Phase::Completed), Some(&seen), now());
        assert!(found.contains(&Finding::ExhaustedPdbs(sample(&["payments/api"]))), "{found:?}");
    }
}

#[test]
fn affected_workloads_are_counted_and_named() {
    let subject = cluster(Phase::Completed);
    let found = before_start(&subject, Some(&fixture("held_by_pods")), now());
    for finding in [
        Finding::NodesToReplace { count: 4, takes: USUAL_NODE.times(2) },
        Finding::NoPdbBlocks,
        Finding::SingleReplicas(sample(&["shop/disk", "shop/zonal"])),
        Finding::BarePods(sample(&["tools/shell"])),
        Finding::PodsWithLocalVolumes(sample(&["shop/disk-0"])),
        Finding::PodsWithLocalData(sample(&["shop/cache-1"])),
    ] {
        assert!(found.contains(&finding), "{finding:?}\n{found:?}");
    }
}

#[test]
fn long_lists_are_cut() {
    let (subject, mut snapshot) = (cluster(Phase::Completed), fixture("held_by_pods"));
    let template: Pod = (*snapshot.pods[2]).clone();
    for number in 0..5_000 {
        let name = format!("bare-{number}");
        snapshot.pods.push(Arc::new(Pod { uid: name.clone(), name, ..template.clone() }));
        let name = format!("lonely-{number}");
        let owner = Some(OwnerReference { kind: "ReplicaSet".into(), name: name.clone() });
        snapshot.pods.push(Arc::new(Pod { uid: name.clone(), name, owner, ..template.clone() }));
    }
    let found = before_start(&subject, Some(&snapshot), now());
    assert!(found.len() < 20);
    let bare = found.iter().find_map(|finding| {
        let Finding::BarePods(pods) = finding else { return None };
        Some((pods.count, pods.first.len()))
    });
    assert_eq!(bare, Some((5_001, 3)));
}

#[test]
fn what_is_planned_within_the_usual_time_is_noted() {
    let mut subject = cluster(Phase::Never);
    let schedule = |start: &str| {
        vec![HibernationSchedule {
            start: start.into(),
            end: "0 6 * * *".into(),
            timezone: String::new(),
        }]
    };
    subject.schedules = schedule("7 14 * * *");
    subject.maintenance = Some(("14:10".into(), "15:00".into()));
    let found = before_start(&subject, None, now());
    let seconds = SignedDuration::from_secs;
    assert!(found.contains(&Finding::HibernationIn(seconds(4 * 60 + 49))), "{found:?}");
    assert!(found.contains(&Finding::MaintenanceIn(seconds(7 * 60 + 49))), "{found:?}");
    subject.schedules = schedule("0 20 * * *");
    subject.maintenance = None;
    assert!(marked(&before_start(&subject, None, now()), FindingMark::Note).is_empty());
    subject.schedules = schedule("@midnight");
    let unclear = Finding::UnreadableSchedule("@midnight".into());
    assert!(before_start(&subject, None, now()).contains(&unclear));
}

#[test]
fn the_usual_time_is_that_of_the_slowest_zone() {
    let mut subject = cluster(Phase::Never);
    subject.pools[0].max_surge = 1;
    let expected = |subject: &Cluster| nodes_to_replace(subject, Some(&fixture("every_stage")));
    assert_eq!(expected(&subject), Some((12, USUAL_NODE.times(5))));
    subject.pools[0].max_surge = 6;
    assert_eq!(expected(&subject), Some((12, USUAL_NODE.times(3))));
    // Each zone goes by the limits of its own pool.
    let mut slow = subject.pools[0].clone();
    (slow.name, slow.max_surge) = ("slow".into(), 1);
    subject.pools.insert(0, slow);
    assert_eq!(expected(&subject), Some((12, USUAL_NODE.times(3))));
    // The first zone gets the odd node: it is at work twice as fast, wherever the pool lists it.
    subject.pools[1].max_surge = 4;
    let first = expected(&subject);
    subject.pools[1].zones.reverse();
    let [five, four] = [5, 4].map(|batches| Some((12, USUAL_NODE.times(batches))));
    assert_eq!([first, expected(&subject)], [five, four]);
    subject.pools[1].max_surge = 6;
    // Nodes that cannot be seen: the fewest that the pools may have.
    subject.pools.remove(0);
    let mut unseen = fixture("every_stage");
    unseen.nodes.clear();
    unseen.unseen.insert("nodes", failing("forbidden"));
    for snapshot in [None, Some(&unseen)] {
        assert_eq!(nodes_to_replace(&subject, snapshot), Some((3, USUAL_NODE)));
    }
    subject.pools[0].minimum = 0;
    assert_eq!(nodes_to_replace(&subject, None), None, "there may be none");
    subject.pools.clear();
    assert_eq!(nodes_to_replace(&subject, None), None);
}

#[test]
fn k8s_26_what_is_known_in_part_or_no_longer_is_no_tick() {
    let ticks = |found: Vec<Finding>| {
        let is_tick =
            |found: &Finding| matches!(found, Finding::NoPdbBlocks | Finding::NodesSinceStart(_));
        found.iter().filter(|found| is_tick(found)).count()
    };
    let start =
        |seen: &ClusterSnapshot| ticks(before_start(&cluster(Phase::Completed), Some(seen), now()));
    let complete =
        |seen: &ClusterSnapshot| ticks(before_complete(&cluster(Phase::Prepared), seen, now()));
    let (held, new) = (fixture("held_by_pods"), fixture("all_new"));
    assert_eq!((start(&held), complete(&new)), (1, 1));
    for why in [Unseen::Partly("1 object could not be read".into()), failing("no answer")] {
        let with = |seen: &ClusterSnapshot, kind: &'static str| {
            let mut lost = seen.clone();
            lost.unseen.insert(kind, why.clone());
            lost
        };
        for kind in ["pods", "poddisruptionbudgets"] {
            assert_eq!(start(&with(&held, kind)), 0, "{kind} {why:?}");
        }
        assert_eq!(complete(&with(&new, "nodes")), 0, "{why:?}");
    }
}

#[test]
fn kinds_that_cannot_be_listed_are_unknowable() {
    let (subject, mut snapshot) = (cluster(Phase::Completed), fixture("held_by_pods"));
    snapshot.pods.clear();
    snapshot.unseen.insert("pods", failing("forbidden"));
    let found = before_start(&subject, Some(&snapshot), now());
    let unseen = Finding::KindUnseen("pods", failing("forbidden"));
    assert_eq!(marked(&found, FindingMark::Unknowable), [&Finding::Capacity, &unseen]);
    assert!(!found.iter().any(|finding| matches!(finding, Finding::SingleReplicas(_))));
}

#[test]
fn k8s_26_what_hides_pods_with_the_old_authority_is_told_before_complete() {
    for kind in ["configmaps", "pods", "token secrets"] {
        let mut snapshot = fixture("all_new");
        snapshot.unseen.insert(kind, failing("forbidden"));
        let evidence = Evidence { snapshot: Some(Arc::new(snapshot)), ..Evidence::default() };
        let found = findings(Step::Complete, &cluster(Phase::Prepared), &evidence, now());
        assert!(found.contains(&Finding::InClusterUnseen(kind, failing("forbidden"))), "{kind}");
    }
}

#[test]
fn k8s_29_a_token_of_unknown_age_is_not_called_one_from_before_the_start() {
    let subject = cluster(Phase::Prepared);
    let start = subject.rotation.initiated.unwrap();
    let day = start.to_zoned(jiff::tz::TimeZone::UTC).date();
    let found = |minutes: i64, last_used| {
        let secret = TokenSecret {
            namespace: "ci".into(),
            name: "robot".into(),
            account: "robot".into(),
            created: Some(start + SignedDuration::from_mins(minutes)),
            last_used,
        };
        let created = Some(start + SignedDuration::from_mins(60));
        let template = Template { name: "t".into(), pool: "p".into(), created, checksum: None };
        let mut seen = ClusterSnapshot {
            templates: Templates::Known(vec![template]),
            token_secrets: vec![Arc::new(secret)],
            ..ClusterSnapshot::default()
        };
        seen.control_plane.signed_requests = Some(Vec::new());
        in_cluster(&subject, &Credentials::default(), &seen, (None, now()))
    };
    let robot = || NameSample { count: 1, first: vec![ObjectName::new("ci", "robot")] };
    assert_eq!(found(-900, Some(day)), [Finding::TokensInUse(robot())]);
    assert_eq!(found(-900, None), [Finding::UnusedTokens(robot())]);
    let unclear = |in_use| Finding::UnclearTokens { tokens: robot(), in_use };
    assert_eq!(found(10, None), [unclear(false)]);
    assert_eq!(found(10, Some(day)), [unclear(true)]);
    assert!(unclear(true).breaks() && !unclear(false).breaks());
    assert_eq!(found(120, Some(day)), []);
}

#[test]
fn complete_shows_whether_every_node_is_new() {
    let subject = cluster(Phase::Prepared);
    let found = |snapshot: &ClusterSnapshot| before_complete(&subject, snapshot, now());
    assert_eq!(found(&fixture("all_new")), [Finding::NodesSinceStart(3)]);
    let lagging = found(&fixture("prepared_but_lagging"));
    assert!(matches!(&lagging[0], Finding::NodesBeforeStart(nodes) if nodes.count == 2));
    let another = RollProgress {
        goal: RollGoal { nodes: 3, estimated: true },
        old: 2,
        awaited: 0,
        done: false,
    };
    let of_another = found(&fixture("another_roll_while_prepared"));
    assert!(of_another.contains(&Finding::AnotherRoll(another)), "{of_another:?}");
    let waiting = found(&fixture("held_by_pods"));
    let is_waiting =
        |finding: &Finding| matches!(finding, Finding::UnschedulablePods(pods) if pods.count == 2);
    assert!(waiting.iter().any(is_waiting), "{waiting:?}");
    let mut unread = fixture("all_new");
    unread.nodes.clear();
    unread.unseen.insert("nodes", failing("forbidden"));
    let unseen = || Finding::KindUnseen("nodes", failing("forbidden"));
    assert_eq!(found(&unread), [unseen()]);
    let waiting = Pod { unscheduled: Some((None, "full".into())), ..pod("api-1", None) };
    unread.pods.push(Arc::new(waiting));
    let pods = Finding::UnschedulablePods(sample(&["payments/api-1"]));
    assert_eq!(found(&unread), [unseen(), pods], "pods are known without nodes");
    // All pools are scaled to zero.
    let mut none = fixture("all_new");
    none.nodes.clear();
    assert_eq!(found(&none), []);
    let mut undated = subject.clone();
    undated.rotation.initiated = None;
    assert_eq!(before_complete(&undated, &none, now()), []);
    // A failed node that is kept on purpose is not one of those that the rotation made.
    let mut kept = fixture("all_new");
    kept.nodes[0] = Arc::new(Node { preserved: true, ready: false, ..(*kept.nodes[0]).clone() });
    assert_eq!(found(&kept), [Finding::NodesSinceStart(2), Finding::NodesNotReady(1)]);
}

#[test]
fn cred_05_without_the_moment_of_the_start_no_node_is_called_new() {
    let mut subject = cluster(Phase::Prepared);
    subject.rotation.initiated = None;
    let found = before_complete(&subject, &fixture("all_new"), now());
    assert_eq!(found, [Finding::NodesOfUnknownAge(None)]);
    let mut mixed = cluster(Phase::Prepared);
    mixed.rotation.completed = Some(now());
    let found = before_complete(&mixed, &fixture("all_new"), now());
    assert_eq!(found, [Finding::NodesOfUnknownAge(None)]);
    let mut undated = fixture("all_new");
    undated.nodes[0] = Arc::new(Node { created: None, ..(*undated.nodes[0]).clone() });
    let found = before_complete(&cluster(Phase::Prepared), &undated, now());
    assert!(
        matches!(&found[..], [Finding::NodesOfUnknownAge(Some(nodes))] if nodes.count == 1),
        "{found:?}"
    );
}

#[test]
fn k8s_14_complete_finds_the_same_whatever_our_clock_shows() {
    let subject = cluster(Phase::Prepared);
    for name in ["all_new", "prepared_but_lagging"] {
        let mut snapshot = fixture(name);
        let expected = before_complete(&subject, &snapshot, now());
        for skew in [3_600, -3_600, 86_400] {
            snapshot.skew_seconds = skew;
            assert_eq!(before_complete(&subject, &snapshot, now()), expected, "{name} {skew}");
        }
    }
}

#[test]
fn the_findings_of_a_step_include_those_of_the_nodes() {
    let evidence = Evidence { snapshot: Some(Arc::new(fixture("all_new"))), ..Evidence::default() };
    let found = findings(Step::Complete, &cluster(Phase::Prepared), &evidence, now());
    assert!(found.contains(&Finding::NodesSinceStart(3)));
    let found = findings(Step::Start, &cluster(Phase::Completed), &evidence, now());
    assert!(found.contains(&Finding::NoPdbBlocks));
}
