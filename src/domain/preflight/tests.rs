//! Findings before a step.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::domain::cluster::{Cluster, HibernationSchedule, KubernetesVersion};
use crate::domain::credential::{Credentials, KubeconfigLocation, SignIn, Trust, VerdictReason};
use crate::domain::fixtures::{access, files_of, found_file, now};
use crate::domain::preflight::credentials::in_cluster;
use crate::domain::preflight::nodes::{before_complete, before_start, nodes_to_replace};
use crate::domain::preflight::{Evidence, Finding, FindingMark, StaticTokens, findings};
use crate::domain::roll::blocker::cause::{NameSample, ObjectName};
use crate::domain::roll::durations::USUAL_NODE;
use crate::domain::roll::history::RollGoal;
use crate::domain::roll::progress::RollProgress;
use crate::domain::roll::tests::blockers::sample;
use crate::domain::roll::tests::budgets::{budget, pod};
use crate::domain::roll::tests::cluster;
use crate::domain::roll::tests::stages::fixture;
use crate::domain::rotation::{Phase, Step};
use crate::domain::snapshot::{
    Budget, ClusterSnapshot, Node, OwnerReference, Pod, TokenSecret, Unseen,
};

fn marked(found: &[Finding], mark: FindingMark) -> Vec<&Finding> {
    found.iter().filter(|finding| finding.mark() == mark).collect()
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
        (&resting, StaticTokens::Unlikely { searched: true }),
        (&cluster(Phase::Never), StaticTokens::Unlikely { searched: true }),
        (&of_version("1.26.4"), StaticTokens::OldVersion(old)),
        (&of_version("next"), StaticTokens::UnknownVersion),
    ] {
        let found = StaticTokens::find(cluster, &searched);
        assert_eq!(found, expected);
        assert_eq!(found.are_likely(), !matches!(found, StaticTokens::Unlikely { .. }));
    }
    let server = format!("api.{}.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", resting.id.name);
    let file = |path, server| found_file(path, server, Trust::System, SignIn::StaticToken);
    let files = vec![file("~/.kube/config", &server), file("other", "api.example")];
    let found = Evidence { files: Some(Arc::from(files)), ..Evidence::default() };
    let StaticTokens::Found(1, place) = StaticTokens::find(&resting, &found) else {
        panic!("one is found")
    };
    assert_eq!(place.words(), "~/.kube/config, context web");
    let unsearched = StaticTokens::find(&resting, &Evidence::default());
    assert_eq!(unsearched, StaticTokens::Unlikely { searched: false });
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
    let places: Vec<_> = accesses.iter().map(|access| access.place.clone()).collect();
    let credentials = Credentials { accesses, ..Credentials::default() };
    let files = Some(Arc::from(files_of(&credentials)));
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    let found = findings(Step::Complete, &subject, &evidence, now());
    assert!(found.contains(&Finding::BreakingCredentials(vec![places[0].clone()])));
    let held = |finding: &&Finding| matches!(finding, Finding::AccessHeld { place, .. } if *place == places[1]);
    assert_eq!(found.iter().find(held).unwrap().mark(), FindingMark::Fine);
    assert_eq!(found.first().map(Finding::breaks), Some(true), "what breaks comes first");
}

#[test]
fn cred_05_without_the_moment_of_the_start_a_kubeconfig_is_no_tick() {
    let mut subject = cluster(Phase::Prepared);
    let accesses = vec![access(&subject, true, "new.yaml")];
    let place = accesses[0].place.clone();
    subject.rotation.initiated = None;
    let credentials = Credentials { accesses, ..Credentials::default() };
    let files = Some(Arc::from(files_of(&credentials)));
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    let found = findings(Step::Complete, &subject, &evidence, now());
    let unclear = Finding::AccessUnclear {
        step: Step::Complete,
        place,
        reasons: vec![VerdictReason::RotationUnclear],
    };
    assert!(found.contains(&unclear), "{found:?}");
    assert_eq!(unclear.mark(), FindingMark::Unknowable);
}

#[test]
fn cred_03_a_kubeconfig_that_was_copied_is_no_tick() {
    let subject = cluster(Phase::Prepared);
    let mut copied = access(&subject, true, "");
    copied.place = KubeconfigLocation::Clipboard;
    let credentials = Credentials { accesses: vec![copied], ..Credentials::default() };
    let files = Some(Arc::default());
    let evidence = Evidence { credentials, files, ..Evidence::default() };
    for step in [Step::Start, Step::Complete] {
        let found = findings(step, &subject, &evidence, now());
        let unclear = Finding::AccessUnclear {
            step,
            place: KubeconfigLocation::Clipboard,
            reasons: vec![VerdictReason::NotInFile],
        };
        assert!(found.contains(&unclear), "{found:?}");
    }
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
    let failed = Budget { sync_failure: Some("no scale".into()), ..budget(0, 0, 0, 0) };
    for guard in [budget(0, 2, 2, 2), budget(0, 1, 2, 2), failed] {
        let mut seen = ClusterSnapshot::default();
        seen.budgets.push(Arc::new(guard));
        seen.pods.extend([agent("agent-1"), agent("agent-2")].map(Arc::new));
        let found = before_start(&subject, Some(&seen), now());
        assert!(found.contains(&Finding::NoPdbBlocks), "{found:?}");
        seen.pods.push(Arc::new(pod("api-1", Some("web-1"))));
        let found = before_start(&subject, Some(&seen), now());
        assert!(!found.contains(&Finding::NoPdbBlocks), "{found:?}");
    }
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
        assert!(found.contains(&Finding::KindUnseen(kind, failing("forbidden"))), "{kind}");
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
        let seen =
            ClusterSnapshot { token_secrets: vec![Arc::new(secret)], ..ClusterSnapshot::default() };
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
    assert_eq!(found(&unread), [Finding::KindUnseen("nodes", failing("forbidden"))]);
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
    let is_one =
        |finding: &Finding| matches!(finding, Finding::NodesOfUnknownAge(Some(n)) if n.count == 1);
    assert!(found.iter().all(is_one), "{found:?}");
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
