//! Verdicts about found credentials, compared with a model of the API server.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::domain::cluster::{Cluster, KubernetesVersion};
use crate::domain::credential::judge::JudgeInput;
use crate::domain::credential::{
    Access, Authority, Bundle, ClientCertificate, CredentialFacts, CredentialKind, Credentials,
    ExecCluster, FoundContext, FoundFile, Generation, HeldAccess, Issuance, KeyHash,
    KnownCredential, KubeconfigLocation, Reference, SignIn, SigningKeys, TokenFacts, Trial, Trust,
    Verdict, VerdictReason, login_cache_may_be_stale,
};
use crate::domain::fixtures::{self, access, cluster, found_context, found_file, now};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::rotation::{Phase, Rotation};

fn key(number: usize) -> KeyHash {
    KeyHash::parse(&format!("{number:064x}")).unwrap()
}

fn keys(numbers: &[usize]) -> BTreeSet<KeyHash> {
    numbers.iter().map(|number| key(*number)).collect()
}

fn certificate(signer: usize) -> ClientCertificate {
    ClientCertificate {
        issuer: format!("CN=client-{signer}"),
        authority_key_id: Some(format!("{signer:04x}")),
        serial: "01".into(),
        not_before: now(),
        not_after: now() + SignedDuration::from_hours(1_000),
    }
}

fn valid(number: usize, is_ca: bool) -> Authority {
    let end = now() + SignedDuration::from_hours(1);
    Authority { key: key(number), validity: (0, end.as_second()), is_ca }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A cluster whose rotations are all completed, or whose last one is in this phase. Generation 0 is the first.
fn moment(rotations: usize, phase: Phase) -> Rotation {
    let number = i64::try_from(rotations).unwrap();
    let is_open = matches!(phase, Phase::Preparing | Phase::Prepared | Phase::Completing);
    let completed = if is_open { number - 1 } else { number };
    Rotation {
        phase: if rotations == 0 { Phase::Never } else { phase },
        initiated: (number > 0).then(|| at(number * 1_000)),
        completed: (completed > 0).then(|| at(completed * 1_000 + 500)),
    }
}

/// What SKE issues in this state: its generation and the CAs in its bundle.
fn issued(rotations: usize, phase: &Phase, dated: bool) -> Issuance {
    let both = rotations > 0 && matches!(phase, Phase::Preparing | Phase::Prepared);
    let authorities = if both { vec![rotations - 1, rotations] } else { vec![rotations] };
    Issuance {
        facts: CredentialFacts {
            client: Some(certificate(rotations)),
            authorities: keys(&authorities),
            newest: dated.then(|| key(rotations)),
            ..CredentialFacts::default()
        },
        rotation: Some(moment(rotations, phase.clone())),
    }
}

fn found(trust: Trust, sign_in: Vec<SignIn>) -> FoundContext {
    found_context("web", "api.example", trust, sign_in)
}

const PHASES: [Phase; 4] = [Phase::Preparing, Phase::Prepared, Phase::Completing, Phase::Completed];

proptest! {
    #![proptest_config(crate::property_cases(3_000))]

    /// Whatever is pinned, with whatever certificate and whatever knowledge: verdicts hold.
    #[test]
    fn cred_02_what_is_found_is_never_judged_wrongly(
        (rotations, phase) in (0_usize..4, prop::sample::select(PHASES.to_vec())),
        (signer, pinned) in (0_usize..4, prop::collection::btree_set(0_usize..4, 1..4)),
        references in prop::collection::vec(
            (0_usize..4, prop::sample::select(PHASES.to_vec()), any::<bool>()), 0..4),
        token_key in 0_usize..4,
    ) {
        let mut subject = cluster("web", Phase::Never);
        subject.rotation = moment(rotations, phase.clone());
        // SKE cannot have issued anything in a later state.
        let order = |phase: &Phase| PHASES.iter().position(|other| other == phase);
        let known: Vec<Issuance> = references
            .iter()
            .filter(|(number, then, _)| {
                *number < rotations || (*number == rotations && order(then) <= order(&phase))
            })
            .map(|(number, then, dated)| issued(*number, then, *dated))
            .collect();
        let known: Vec<&Issuance> = known.iter().collect();
        let is_open = rotations > 0 && phase != Phase::Completed;
        let both = rotations > 0 && matches!(phase, Phase::Preparing | Phase::Prepared);
        let accepted: Vec<usize> = if both { vec![rotations - 1, rotations] } else { vec![rotations] };
        let signing = SigningKeys {
            accepted: accepted.iter().map(ToString::to_string).collect(),
            signing: Some(rotations.to_string()),
            ..SigningKeys::default()
        };
        let input = JudgeInput::new(&subject, known, Some(&signing), now());
        let token = TokenFacts { key_id: Some(token_key.to_string()), ..TokenFacts::default() };
        let trust = Trust::Authorities(pinned.iter().map(|number| key(*number)).collect());
        let ways = [
            (SignIn::Certificate(certificate(signer)), signer),
            (SignIn::ServiceAccountToken(token), token_key),
        ];
        for (way, generation) in ways {
            let found = found(trust.clone(), vec![way.clone()]);
            let (verdict, reasons, _) = input.judge(&found);
            let lasts = generation == rotations && pinned.contains(&rotations);
            let old = rotations.wrapping_sub(1);
            // During COMPLETING, the API server may be of either generation; the keys are read from it.
            let is_token = matches!(way, SignIn::ServiceAccountToken(_));
            let is_accepted = accepted.contains(&generation)
                || is_open && !is_token && generation == old;
            let works = is_accepted
                && (pinned.contains(&rotations) || is_open && pinned.contains(&old));
            match verdict {
                Verdict::SurvivesComplete => prop_assert!(is_open && lasts, "{reasons:?}"),
                Verdict::Works => prop_assert!(!is_open && lasts, "{reasons:?}"),
                Verdict::BreaksOnComplete => {
                    prop_assert!(is_open && !lasts, "{reasons:?}");
                    // A CA removed by a completed rotation is not trusted until the next one is completed.
                    let is_older = reasons.contains(&VerdictReason::Bundle(Bundle::Older));
                    let trusts = pinned.contains(&rotations) || pinned.contains(&old);
                    prop_assert!(!is_older || trusts, "{reasons:?}");
                }
                Verdict::Dead => prop_assert!(!works, "{reasons:?}"),
                Verdict::CannotTell => {}
                Verdict::Expired | Verdict::BreaksOnStart => prop_assert!(false, "{verdict:?}"),
            }
        }
    }
}

/// Every credential is judged once a current kubeconfig is known, or all accepted ones are older.
#[test]
fn cred_02_nothing_is_left_open_that_can_be_told() {
    let judge = |rotation: &Rotation, known: &[Issuance], pinned: &[usize], signer: usize| {
        let mut subject = cluster("web", Phase::Never);
        subject.rotation = rotation.clone();
        let input = JudgeInput::new(&subject, known.iter().collect(), None, now());
        let way = SignIn::Certificate(certificate(signer));
        input.judge(&found(Trust::Authorities(keys(pinned)), vec![way])).0
    };
    for (new, phase) in (1..4).flat_map(|new| PHASES.map(|phase| (new, phase))) {
        let (rotation, old) = (moment(new, phase.clone()), new - 1);
        let is_open = phase != Phase::Completed;
        let ends = if is_open { Verdict::BreaksOnComplete } else { Verdict::Dead };
        let lasts = if is_open { Verdict::SurvivesComplete } else { Verdict::Works };
        let before = issued(old, &Phase::Completed, true);
        for known in [
            vec![issued(new, &phase, true)],
            vec![issued(new, &phase, true), before.clone()],
            vec![before.clone(), issued(new, &phase, false)],
        ] {
            let judge = |pinned: &[usize], signer| judge(&rotation, &known, pinned, signer);
            assert_eq!(judge(&[old, new], new), lasts, "{rotation:?} {known:?}");
            assert_eq!(judge(&[old, new], old), ends, "{rotation:?} {known:?}");
            assert_eq!(judge(&[old], old), ends, "{rotation:?} {known:?}");
            assert_eq!(judge(&[old], new), ends, "{rotation:?} {known:?}");
            let is_early = matches!(phase, Phase::Preparing | Phase::Prepared);
            let alone = if is_early { Verdict::CannotTell } else { lasts };
            assert_eq!(judge(&[new], new), alone, "{rotation:?} {known:?}");
        }
        if is_open {
            assert_eq!(judge(&rotation, &[before], &[old], old), ends, "{rotation:?}");
        }
        if is_open && new > 1 {
            let ended = issued(new - 2, &Phase::Completed, true);
            let judged = judge(&rotation, &[ended], &[new - 2], new - 2);
            assert_eq!(judged, Verdict::Dead, "{rotation:?}");
        }
    }
    let never = moment(0, Phase::Never);
    let first = issued(0, &Phase::Never, true);
    assert_eq!(judge(&never, &[first], &[0], 0), Verdict::Works);
    // It was issued to a cluster that had been rotated: a different one, or SKE reports an older state.
    let later = issued(1, &Phase::Completed, true);
    assert_eq!(judge(&never, &[later], &[1], 1), Verdict::CannotTell);
}

/// The rows of the matrix of invalidated credentials, with a current kubeconfig for comparison.
#[test]
fn each_kind_of_credential_has_the_verdict_of_the_matrix() {
    let judge = |rotation: Rotation, version: &str, trust: Trust, way: SignIn| {
        let mut subject = cluster("web", Phase::Never);
        subject.version = KubernetesVersion::new(version);
        let number = usize::from(rotation.initiated.is_some());
        let reference = issued(number, &rotation.phase, true);
        subject.rotation = rotation;
        let accepted = if number == 0 { vec!["0"] } else { vec!["0", "1"] };
        let keys = SigningKeys {
            accepted: accepted.into_iter().map(str::to_owned).collect(),
            signing: Some(number.to_string()),
            ..SigningKeys::default()
        };
        JudgeInput::new(&subject, vec![&reference], Some(&keys), now())
            .judge(&found(trust, vec![way]))
            .0
    };
    let pins = |numbers: &[usize]| Trust::Authorities(keys(numbers));
    let token = |key: &str| {
        SignIn::ServiceAccountToken(TokenFacts {
            key_id: Some(key.into()),
            ..TokenFacts::default()
        })
    };
    let login =
        || SignIn::Plugin { command: "stackit".into(), stackit: Some(KubeconfigKind::Login) };
    let (never, prepared) = (moment(0, Phase::Never), moment(1, Phase::Prepared));
    let completed = moment(1, Phase::Completed);
    let old = || SignIn::Certificate(certificate(0));
    let new = || SignIn::Certificate(certificate(1));
    for (what, before, open, after) in [
        ("from before the start", (pins(&[0]), old()), Verdict::BreaksOnComplete, Verdict::Dead),
        ("from after it", (pins(&[0, 1]), new()), Verdict::SurvivesComplete, Verdict::Works),
        ("login from before", (pins(&[0]), login()), Verdict::BreaksOnComplete, Verdict::Dead),
        ("login from after", (pins(&[0, 1]), login()), Verdict::SurvivesComplete, Verdict::Works),
        (
            "token of the old key",
            (pins(&[0, 1]), token("0")),
            Verdict::BreaksOnComplete,
            Verdict::BreaksOnComplete,
        ),
        (
            "token of the new key",
            (pins(&[0, 1]), token("1")),
            Verdict::SurvivesComplete,
            Verdict::Works,
        ),
        ("token of no key", (pins(&[0, 1]), token("9")), Verdict::Dead, Verdict::Dead),
        (
            "new, pinned to the old authority",
            (pins(&[0]), new()),
            Verdict::BreaksOnComplete,
            Verdict::Dead,
        ),
        (
            "old, without any check",
            (Trust::Anything, old()),
            Verdict::BreaksOnComplete,
            Verdict::Dead,
        ),
        ("of another cluster", (pins(&[7]), new()), Verdict::Dead, Verdict::Dead),
        ("trusting the system", (Trust::System, new()), Verdict::CannotTell, Verdict::CannotTell),
        ("static token", (pins(&[0]), SignIn::StaticToken), Verdict::Dead, Verdict::Dead),
    ] {
        let (trust, way) = before;
        let told = judge(prepared.clone(), "1.33.4", trust.clone(), way.clone());
        assert_eq!(told, open, "{what} while prepared");
        assert_eq!(judge(completed.clone(), "1.33.4", trust, way), after, "{what} afterwards");
    }
    let at_first = |version, way| judge(never.clone(), version, pins(&[0]), way);
    assert_eq!(at_first("1.33.4", old()), Verdict::Works);
    assert_eq!(at_first("1.26.4", SignIn::StaticToken), Verdict::BreaksOnStart);
    assert_eq!(at_first("1.33.4", SignIn::StaticToken), Verdict::CannotTell);
    assert_eq!(at_first("1.33.4", token("0")), Verdict::Works);
}

#[test]
fn cred_05_without_phase_or_start_nothing_is_promised() {
    let reference = issued(1, &Phase::Prepared, true);
    for phase in [Phase::Preparing, Phase::Prepared, Phase::Completed, Phase::Unknown("X".into())] {
        let mut subject = cluster("web", Phase::Never);
        subject.rotation = Rotation { phase, initiated: None, completed: None };
        let input = JudgeInput::new(&subject, vec![&reference], None, now());
        let trust = Trust::Authorities(keys(&[0, 1]));
        let found = found(trust, vec![SignIn::Certificate(certificate(1))]);
        let (verdict, reasons, _) = input.judge(&found);
        assert_eq!((verdict, reasons), (Verdict::CannotTell, vec![VerdictReason::RotationUnclear]));
    }
}

#[test]
fn cred_03_what_a_completed_rotation_ended_is_dead_while_the_next_one_is_open() {
    let mut subject = cluster("web", Phase::Never);
    subject.rotation = moment(2, Phase::Prepared);
    let ended = issued(0, &Phase::Never, true);
    let before = issued(1, &Phase::Completed, true);
    let current = issued(2, &Phase::Prepared, true);
    let certain = |known: &[&Issuance], generation: usize, trust: Trust| {
        let way = SignIn::Certificate(certificate(generation));
        JudgeInput::new(&subject, known.to_vec(), None, now()).judge(&found(trust, vec![way])).0
    };
    let pinned = || Trust::Authorities(keys(&[0]));
    let all = [&ended, &before, &current];
    assert_eq!(certain(&all, 0, pinned()), Verdict::Dead);
    assert_eq!(certain(&all, 0, Trust::Anything), Verdict::Dead);
    assert_eq!(certain(&[&ended], 0, pinned()), Verdict::Dead, "nothing was issued since");
    assert_eq!(certain(&all, 1, Trust::Authorities(keys(&[1]))), Verdict::BreaksOnComplete);
    // What is in no file is judged by its record.
    let recorded = |issuance: &Issuance| Access {
        location: KubeconfigLocation::Clipboard,
        issuance: Some(issuance.clone()),
        ..access(&subject, false, "")
    };
    let mut credentials = Credentials::default();
    credentials.put(recorded(&ended));
    credentials.put(recorded(&before));
    let known = credentials.inventory(&subject, &[], None, now());
    let verdicts: Vec<Verdict> = known.iter().map(|known| known.verdict).collect();
    assert_eq!(verdicts, [Verdict::Dead, Verdict::BreaksOnComplete]);
    assert!(!known[0].verdict.works_now());
}

#[test]
fn cred_03_what_was_copied_or_printed_may_be_access() {
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = moment(1, Phase::Prepared);
    let (before, since) = (issued(1, &Phase::Never, true), issued(1, &Phase::Prepared, true));
    for location in [KubeconfigLocation::Clipboard, KubeconfigLocation::Stdout] {
        for (issuance, verdict) in
            [(&before, Verdict::BreaksOnComplete), (&since, Verdict::SurvivesComplete)]
        {
            let (location, issuance) = (location.clone(), Some(issuance.clone()));
            let mut credentials = Credentials::default();
            credentials.put(Access { location, issuance, ..access(&subject, false, "") });
            let known = credentials.inventory(&subject, &[], None, now());
            assert_eq!(known[0].verdict, verdict);
            assert_eq!(known[0].reasons, [VerdictReason::NotInFile]);
            assert_eq!(HeldAccess::of(&known), HeldAccess::Unclear(&known[0]));
        }
    }
}

#[test]
fn cred_05_a_start_that_shows_before_its_phase_promises_nothing_of_the_first_rotation() {
    let mut subject = cluster("web", Phase::Never);
    let reference = issued(0, &Phase::Never, true);
    subject.rotation.initiated = Some(at(1_000));
    let input = JudgeInput::new(&subject, vec![&reference], None, now());
    let trust = Trust::Authorities(keys(&[0]));
    for way in [SignIn::Certificate(certificate(0)), SignIn::StaticToken] {
        let (verdict, reasons, _) = input.judge(&found(trust.clone(), vec![way]));
        assert_eq!((verdict, reasons), (Verdict::CannotTell, vec![VerdictReason::RotationUnclear]));
    }
    let mut credentials = Credentials::default();
    let location = KubeconfigLocation::Clipboard;
    let issuance = Some(reference);
    credentials.put(Access { location, issuance, ..access(&subject, false, "") });
    let known = credentials.inventory(&subject, &[], None, now());
    assert_eq!(known[0].verdict, Verdict::CannotTell);
}

#[test]
fn cred_05_a_phase_that_shows_before_its_start_promises_nothing_of_what_is_older() {
    let before = issued(1, &Phase::Completed, true);
    for (phase, completed) in [
        (Phase::Preparing, moment(1, Phase::Completed).completed),
        (Phase::Prepared, moment(1, Phase::Completed).completed),
        (Phase::Preparing, None),
    ] {
        let mut subject = cluster("web", Phase::Never);
        subject.rotation = Rotation { phase, completed, ..moment(1, Phase::Completed) };
        let input = JudgeInput::new(&subject, vec![&before], None, now());
        let one = pinned(&[1], certificate(1));
        assert_eq!(input.judge(&one).0, Verdict::CannotTell, "{:?}", subject.rotation);
        let mut credentials = Credentials::default();
        let (location, issuance) = (KubeconfigLocation::Clipboard, Some(before.clone()));
        credentials.put(Access { location, issuance, ..access(&subject, false, "") });
        let known = credentials.inventory(&subject, &[], None, now());
        assert_eq!(known[0].verdict, Verdict::CannotTell, "{:?}", subject.rotation);
    }
}

#[test]
fn cred_02_a_server_that_ske_never_named_is_no_access() {
    let subject = cluster("web", Phase::Never);
    let mut reference = issued(0, &Phase::Never, true);
    reference.facts.server = "api.example".into();
    let (id, created) = (subject.id.clone(), subject.created);
    let mut credentials = Credentials::default();
    credentials.note(Reference { cluster: id, created, issuance: reference });
    let judged = |server: &str| {
        let way = SignIn::Certificate(certificate(0));
        let file = found_file("~/a.yaml", server, Trust::Authorities(keys(&[0])), way);
        credentials.inventory(&subject, &[file], None, now()).remove(0)
    };
    assert_eq!(judged("api.example").verdict, Verdict::Works);
    for server in ["api.example:6443", "203.0.113.7", "api.exmaple"] {
        let known = judged(server);
        assert_eq!(known.verdict, Verdict::CannotTell);
        assert_eq!(known.reasons, [VerdictReason::OtherServer(server.into())]);
        assert_eq!(HeldAccess::of(&[known]).certain(), None);
    }
}

#[test]
fn cred_02_a_login_that_asks_ske_for_another_cluster_is_no_access() {
    let subject = cluster("web", Phase::Never);
    let reference = issued(0, &Phase::Never, true);
    let login = SignIn::Plugin { command: "stackit".into(), stackit: Some(KubeconfigKind::Login) };
    let judged = |project: &str, region: Option<&str>, name: &str| {
        let asked = ExecCluster {
            project: project.into(),
            region: region.map(str::to_owned),
            name: name.into(),
        };
        let trust = Trust::Authorities(keys(&[0]));
        let context =
            FoundContext { exec_cluster: Some(asked), ..found(trust, vec![login.clone()]) };
        JudgeInput::new(&subject, vec![&reference], None, now()).judge(&context).0
    };
    let project = subject.id.project().as_str();
    assert_eq!(judged(project, Some("eu01"), "web"), Verdict::Works);
    assert_eq!(judged(project, Some("eu02"), "web"), Verdict::CannotTell);
    assert_eq!(judged(project, Some("eu01"), "other"), Verdict::CannotTell);
    assert_eq!(judged("other", Some("eu01"), "web"), Verdict::CannotTell);
    assert_eq!(judged(project, None, "web"), Verdict::CannotTell);
    assert_eq!(judged(project, None, "other"), Verdict::CannotTell);
    let asked = ExecCluster { project: project.into(), region: None, name: "web".into() };
    let foreign = FoundContext {
        exec_cluster: Some(asked),
        ..found(Trust::Authorities(keys(&[7])), vec![login.clone()])
    };
    let input = JudgeInput::new(&subject, vec![&reference], None, now());
    assert_eq!(input.judge(&foreign).0, Verdict::Dead, "whatever the region");
}

#[test]
fn cred_02_dates_are_no_proof_and_one_way_that_works_is_enough() {
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = moment(1, Phase::Prepared);
    let input = JudgeInput::new(&subject, Vec::new(), None, now());
    let trust = Trust::Authorities(keys(&[0]));
    let one = found(trust, vec![SignIn::Certificate(certificate(0))]);
    let (verdict, reasons, _) = input.judge(&one);
    assert_eq!(verdict, Verdict::CannotTell);
    assert!(reasons.contains(&VerdictReason::Signer(Generation::Unknown)));
    assert!(reasons.contains(&VerdictReason::Dates { after_start: true }));
    let reference = issued(1, &Phase::Prepared, true);
    let input = JudgeInput::new(&subject, vec![&reference], None, now());
    let both = vec![SignIn::Certificate(certificate(0)), SignIn::Certificate(certificate(1))];
    let trust = Trust::Authorities(keys(&[0, 1]));
    assert_eq!(input.judge(&found(trust, both)).0, Verdict::SurvivesComplete);
    let ended = ClientCertificate { not_after: now(), ..certificate(1) };
    let trust = Trust::Authorities(keys(&[7]));
    let ended = found(trust, vec![SignIn::Certificate(ended)]);
    let (verdict, reasons, _) = input.judge(&ended);
    assert_eq!((verdict, reasons), (Verdict::Expired, vec![VerdictReason::Expired]));
}

#[test]
fn kubectl_is_led_to_the_cluster_by_context_and_by_file_where_it_would_not_find_it() {
    let subject = cluster("web", Phase::Prepared);
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let file = |path: &str, server: &str| {
        found_file(path, server, Trust::System, SignIn::Certificate(certificate(1)))
    };
    let context = |files: &[FoundFile], credentials: &Credentials| {
        let found = credentials.kubectl_context(&subject, files, now())?;
        Some((found.file.unwrap_or_default(), found.name))
    };
    let none = Credentials::default();
    assert_eq!(context(&[file("~/.kube/config", "another")], &none), None);
    let web = |path: &str| Some((path.to_owned(), "web".to_owned()));
    assert_eq!(context(&[file("~/.kube/config", server)], &none), web(""));
    assert_eq!(context(&[file("~/.kube/web.yaml", server)], &none), web("~/.kube/web.yaml"));
    // kubectl would use the context with that name in the first of its files.
    let mut second = file("~/second", server);
    second.is_default = true;
    let first = file("~/.kube/config", "another");
    assert_eq!(context(&[first, second], &none), web("~/second"));
    // What was issued and saved counts until the files are read.
    let mut known = Credentials::default();
    let mut saved = access(&subject, true, "");
    saved.location = KubeconfigLocation::Clipboard;
    known.put(saved);
    assert_eq!(context(&[], &known), None, "the clipboard has no context");
    known.put(access(&subject, true, "~/own/web.yaml"));
    assert_eq!(context(&[], &known), web("~/own/web.yaml"));
    // An entry that certainly works takes precedence over an uncertain one.
    let mut files = fixtures::files_of(&known);
    files.push(file("~/.kube/config", server));
    assert_eq!(context(&files, &known), web("~/own/web.yaml"));
    // So does one that works until *complete*, however short it lives.
    let mut old = access(&subject, false, "~/old.yaml");
    old.expires = Some(now() + SignedDuration::from_mins(1));
    let known = Credentials { accesses: vec![old], ..Credentials::default() };
    let mut files = fixtures::files_of(&known);
    files.push(file("~/.kube/config", server));
    assert_eq!(context(&files, &known), web("~/old.yaml"));
}

#[test]
fn kubectl_finds_a_context_without_its_file_only_in_the_first_default_file_of_that_name() {
    let subject = cluster("web", Phase::Prepared);
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let entry = |name: &str, server: &str| {
        let way = SignIn::Certificate(certificate(1));
        found_context(name, server, Trust::System, vec![way])
    };
    let file = |path: &str, is_default, contexts| FoundFile {
        is_default,
        ..fixtures::found(path, contexts)
    };
    let own = || Ok(vec![entry("more", "another"), entry("web", server)]);
    let other = |name: &str| Ok(vec![entry("first", "another"), entry(name, "another")]);
    let broken = || Err("line 1".to_owned());
    for (files, is_found) in [
        (vec![file("a", true, own())], true),
        (vec![file("a", false, own())], false),
        (vec![file("a", true, other("db")), file("b", true, own())], true),
        (vec![file("a", true, other("web")), file("b", true, own())], false),
        (vec![file("a", false, other("web")), file("b", true, own())], true),
        // kubectl reads no file of several if one cannot be read; it does not read the others.
        (vec![file("a", true, own()), file("b", true, broken())], false),
        (vec![file("a", true, own()), file("b", false, broken())], true),
        (vec![file("a", true, own()), file("b", true, Ok(Vec::new()))], true),
    ] {
        let none = Credentials::default();
        let context = none.kubectl_context(&subject, &files, now()).unwrap();
        assert_eq!((&*context.name, context.file.is_none()), ("web", is_found), "{files:?}");
    }
}

#[test]
fn access_to_count_on_is_what_certainly_works_and_lets_a_person_in() {
    let verdicts = [
        Verdict::Expired,
        Verdict::Dead,
        Verdict::BreaksOnStart,
        Verdict::BreaksOnComplete,
        Verdict::SurvivesComplete,
        Verdict::Works,
        Verdict::CannotTell,
    ];
    let (login, idp) = (
        CredentialKind::StackitPlugin { is_idp: false },
        CredentialKind::StackitPlugin { is_idp: true },
    );
    let other = || "other".to_owned();
    for (kind, reason, counts) in [
        (CredentialKind::ClientCertificate, VerdictReason::NotVerified, "0011110"),
        (login, VerdictReason::StackitPlugin { is_idp: false }, "0011110"),
        (idp, VerdictReason::StackitPlugin { is_idp: true }, "0011110"),
        // Whether a version issues any is known of old ones only.
        (CredentialKind::StaticToken, VerdictReason::StaticToken, "0010000"),
        // Its service account may no longer exist.
        (
            CredentialKind::ServiceAccountToken,
            VerdictReason::TokenKey(Generation::Current),
            "0000000",
        ),
        (CredentialKind::OtherToken, VerdictReason::OtherToken(other()), "0000000"),
        (CredentialKind::OtherPlugin, VerdictReason::OtherPlugin(other()), "0000000"),
        (CredentialKind::Other, VerdictReason::OtherSignIn(other()), "0000000"),
        (CredentialKind::None, VerdictReason::NoSignIn, "0000000"),
    ] {
        let known = |verdict, reasons| KnownCredential {
            location: KubeconfigLocation::Clipboard,
            kind,
            expires: None,
            verdict,
            reasons,
            wide_mode: None,
            other_file: None,
        };
        for (verdict, counts) in verdicts.into_iter().zip(counts.chars()) {
            let certain = known(verdict, vec![reason.clone()]);
            assert_eq!(
                HeldAccess::of(&[certain]).certain().is_some(),
                counts == '1',
                "{kind:?} {verdict:?}"
            );
            let doubtful = known(verdict, vec![VerdictReason::Unusable("no server".into())]);
            assert_eq!(HeldAccess::of(&[doubtful]).certain(), None, "{kind:?} {verdict:?}");
        }
    }
}

#[test]
fn what_signs_in_says_what_ske_can_issue_in_its_place() {
    let subject = cluster("web", Phase::Prepared);
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let plugin = |stackit| SignIn::Plugin { command: "x".into(), stackit };
    let (admin, login, idp) = (KubeconfigKind::Admin, KubeconfigKind::Login, KubeconfigKind::Idp);
    for (way, word, issued_as) in [
        (Some(SignIn::Certificate(certificate(1))), "client certificate", Some(admin)),
        (Some(SignIn::StaticToken), "static token", Some(admin)),
        (Some(plugin(Some(login))), "stackit login", Some(login)),
        (Some(plugin(Some(idp))), "stackit login --idp", Some(idp)),
        (Some(plugin(None)), "exec plugin", None),
        (Some(SignIn::ServiceAccountToken(TokenFacts::default())), "service-account token", None),
        (Some(SignIn::OtherToken(TokenFacts::default())), "OIDC token", None),
        (Some(SignIn::Other("auth provider oidc".into())), "other", None),
        (Some(SignIn::Unreadable("gone".into())), "other", None),
        (None, "none", None),
    ] {
        let context = found_context("web", server, Trust::System, way.into_iter().collect());
        let files = [fixtures::found("a", Ok(vec![context]))];
        let known = Credentials::default().inventory(&subject, &files, None, now());
        assert_eq!((known[0].kind.label(), known[0].kind.issued_as()), (word, issued_as));
    }
    // What went elsewhere is of the kind that was issued.
    for kind in [admin, login, idp] {
        let mut credentials = Credentials::default();
        let location = KubeconfigLocation::Clipboard;
        credentials.put(Access { kind, location, ..access(&subject, true, "") });
        let known = credentials.inventory(&subject, &[], None, now());
        assert_eq!(known[0].kind.issued_as(), Some(kind));
    }
}

#[test]
fn what_leads_to_a_cluster_decides_which_verdicts_can_be_told() {
    // Its address alone: it may be of another cluster of that name, and so not be dead.
    let mut subject = cluster("web", Phase::Never);
    subject.version = KubernetesVersion::new("1.26.4");
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let found = [found_file("a", server, Trust::Anything, SignIn::StaticToken)];
    let known = Credentials::default().inventory(&subject, &found, None, now());
    assert_eq!(known[0].verdict, Verdict::BreaksOnStart);
    // An authority alone: it may be for another cluster, and its bundle may hold the CAs of several.
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = moment(1, Phase::Prepared);
    let mut issuance = issued(1, &Phase::Prepared, true);
    issuance.facts.server = "api.example".into();
    let mut credentials = Credentials::default();
    let (id, created) = (subject.id.clone(), subject.created);
    credentials.note(Reference { cluster: id, created, issuance });
    let known = |context: FoundContext| {
        let files = [fixtures::found("a", Ok(vec![context]))];
        credentials.inventory(&subject, &files, None, now()).remove(0)
    };
    let elsewhere = |pins: &[usize], signer| FoundContext {
        server: "localhost:6443".into(),
        ..pinned(pins, certificate(signer))
    };
    let other_server = VerdictReason::OtherServer("localhost:6443".into());
    for (pins, signer) in [(&[0][..], 0), (&[0, 7], 7), (&[0, 1], 1)] {
        let known = known(elsewhere(pins, signer));
        assert_eq!(known.verdict, Verdict::CannotTell);
        assert_eq!(known.reasons, std::slice::from_ref(&other_server));
    }
    let ended = ClientCertificate { not_after: now(), ..certificate(7) };
    let ended = FoundContext { server: "localhost:6443".into(), ..pinned(&[0, 7], ended) };
    assert_eq!(known(ended).reasons, [VerdictReason::Expired, other_server]);
    // Whatever the verdict, kubectl needs the other file, too.
    let split = FoundContext { other_file: Some("~/b".into()), ..pinned(&[0, 1], certificate(1)) };
    let known = known(split);
    assert_eq!(known.verdict, Verdict::SurvivesComplete);
    assert_eq!(known.reasons.last(), Some(&VerdictReason::OtherFile("~/b".into())));
    assert_eq!(known.other_file.as_deref(), Some("~/b"));
}

#[test]
fn cred_09_an_entry_for_another_server_is_not_renewed_and_kubectl_is_not_led_there() {
    for phase in [Phase::Prepared, Phase::Completed] {
        let mut subject = cluster("web", phase.clone());
        subject.rotation = moment(1, phase.clone());
        let mut issuance = issued(1, &phase, true);
        issuance.facts.server = "api.example".into();
        let mut credentials = Credentials::default();
        let (id, created) = (subject.id.clone(), subject.created);
        credentials.note(Reference { cluster: id, created, issuance });
        let ended = ClientCertificate { not_after: now(), ..certificate(7) };
        for (server, way, kind) in [
            ("api.example", certificate(0), Some(KubeconfigKind::Admin)),
            ("api.example", ended.clone(), Some(KubeconfigKind::Admin)),
            ("api.other.example", certificate(7), None),
            ("api.other.example", ended, None),
        ] {
            let context = FoundContext { server: server.into(), ..pinned(&[1, 7], way) };
            let files = [fixtures::found("~/.kube/config", Ok(vec![context]))];
            let known = credentials.inventory(&subject, &files, None, now());
            assert_eq!(known[0].renewed_as(), kind, "{phase:?} {known:?}");
            if kind.is_none() {
                assert_eq!(credentials.kubectl_context(&subject, &files, now()), None);
            }
        }
    }
}

#[test]
fn cred_05_two_authorities_from_a_closed_rotation_prove_that_the_next_one_has_started() {
    for rotations in [0, 1] {
        let rotation = moment(rotations, Phase::Completed);
        let mut subject = cluster("web", Phase::Never);
        subject.rotation = rotation.clone();
        let before = issued(rotations, &Phase::Completed, true);
        let fresh = issued(rotations + 1, &Phase::Prepared, true);
        let fresh = Issuance { rotation: Some(rotation.clone()), ..fresh };
        for known in [vec![&fresh], vec![&before, &fresh]] {
            let input = JudgeInput::new(&subject, known, None, now());
            let judged = |found: &FoundContext| {
                let (verdict, reasons, _) = input.judge(found);
                assert_eq!(reasons, [VerdictReason::RotationOutdated], "{rotation:?}");
                verdict
            };
            let (old, new) = (certificate(rotations), certificate(rotations + 1));
            assert_eq!(judged(&pinned(&[rotations], old)), Verdict::CannotTell);
            assert_eq!(judged(&pinned(&[rotations, rotations + 1], new)), Verdict::CannotTell);
        }
        // What was recorded is not judged, either.
        let mut credentials = Credentials::default();
        for issuance in [&before, &fresh] {
            let (location, issuance) = (KubeconfigLocation::Clipboard, Some(issuance.clone()));
            credentials.put(Access { location, issuance, ..access(&subject, false, "") });
        }
        for known in credentials.inventory(&subject, &[], None, now()) {
            assert_eq!(known.verdict, Verdict::CannotTell);
            assert_eq!(known.reasons, [VerdictReason::RotationOutdated]);
        }
        // Once SKE reports the start, everything is told.
        subject.rotation = moment(rotations + 1, Phase::Prepared);
        let current = issued(rotations + 1, &Phase::Prepared, true);
        let known = vec![&before, &fresh, &current];
        let input = JudgeInput::new(&subject, known, None, now());
        let old = pinned(&[rotations], certificate(rotations));
        assert_eq!(input.judge(&old).0, Verdict::BreaksOnComplete);
        let new = pinned(&[rotations, rotations + 1], certificate(rotations + 1));
        assert_eq!(input.judge(&new).0, Verdict::SurvivesComplete);
    }
}

#[test]
fn cred_05_an_answer_of_ske_that_is_older_than_what_it_issued_promises_nothing() {
    let mut subject = cluster("web", Phase::Never);
    let later = issued(2, &Phase::Prepared, true);
    let before = issued(1, &Phase::Completed, true);
    for (rotations, phase) in [(1, Phase::Completed), (1, Phase::Prepared), (0, Phase::Never)] {
        subject.rotation = moment(rotations, phase);
        let input = JudgeInput::new(&subject, vec![&before, &later], None, now());
        for found in [pinned(&[1], certificate(1)), pinned(&[1, 2], certificate(2))] {
            assert_eq!(input.judge(&found).0, Verdict::CannotTell, "{:?}", subject.rotation);
        }
    }
}

#[test]
fn clusters_with_a_kubeconfig_that_ends_soon_are_those_that_one_leads_to() {
    let moment = now() + SignedDuration::from_hours(24);
    let (soon, later) = (moment - SignedDuration::from_secs(1), moment);
    let names = ["soon", "later", "login", "local", "clip", "clip-later", "saved", "untouched"];
    let clusters: Vec<Cluster> = names.iter().map(|name| cluster(name, Phase::Completed)).collect();
    let of = |name: &str| clusters.iter().find(|one| one.id.name.as_str() == name).unwrap();
    let server = |name: &str| format!("api.{name}.0a1b2c3d4e.s.ske.eu01.onstackit.cloud");
    let ending = |at| SignIn::Certificate(ClientCertificate { not_after: at, ..certificate(1) });
    let context = |server: &str, trust, way| found_context("x", server, trust, vec![way]);
    let login = SignIn::Plugin { command: "stackit".into(), stackit: Some(KubeconfigKind::Login) };
    let files = [
        fixtures::found(
            "a",
            Ok(vec![
                context(&server("soon"), Trust::System, ending(soon)),
                context(&server("later"), Trust::System, ending(later)),
                context(&server("login"), Trust::System, login),
                context(&server("unlisted"), Trust::System, ending(soon)),
                context("localhost:6443", Trust::Authorities(keys(&[5])), ending(soon)),
            ]),
        ),
        fixtures::found("b", Err("line 1".into())),
    ];
    let mut credentials = Credentials::default();
    let issuance = Issuance {
        facts: CredentialFacts { authorities: keys(&[5]), ..CredentialFacts::default() },
        rotation: None,
    };
    let (id, created) = (of("local").id.clone(), of("local").created);
    credentials.note(Reference { cluster: id, created, issuance });
    let elsewhere = |name: &str, at| Access {
        location: KubeconfigLocation::Clipboard,
        expires: Some(at),
        issuance: None,
        ..access(of(name), true, "")
    };
    credentials.put(elsewhere("clip", soon));
    credentials.put(elsewhere("clip-later", later));
    // A file tells itself what it holds.
    credentials.put(Access {
        expires: Some(soon),
        issuance: None,
        ..access(of("saved"), true, "a")
    });
    let found = credentials.ending_before(clusters.iter(), &files, moment);
    let found: Vec<&str> = found.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(found, ["clip", "local", "soon"]);
}

#[test]
fn the_inventory_holds_what_leads_to_the_cluster_and_what_went_elsewhere() {
    let subject = cluster("web", Phase::Prepared);
    let mut credentials = Credentials::default();
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let way = || SignIn::Certificate(certificate(1));
    let pins = |number| Trust::Authorities(keys(&[number]));
    let files = [
        found_file("by-name", server, Trust::System, way()),
        found_file("by-authority", "localhost:6443", pins(1), way()),
        found_file("another", "api.example", pins(7), way()),
    ];
    let paths = |credentials: &Credentials, subject: &Cluster| -> Vec<String> {
        let rows = credentials.inventory(subject, &files, None, now());
        rows.iter().map(|row| row.location.describe()).collect()
    };
    assert_eq!(paths(&credentials, &subject), ["by-name, context web"]);
    // Once SKE has reported the server, a similar name is another cluster's.
    let mut issuance = issued(1, &Phase::Prepared, true);
    issuance.facts.server = "api.web.ffffffffff.s.ske.eu01.onstackit.cloud".into();
    let (cluster, created) = (subject.id.clone(), subject.created);
    credentials.note(Reference { cluster, created, issuance });
    assert_eq!(paths(&credentials, &subject), ["by-authority, context web"]);
    for path in ["by-name", "unread.yaml"] {
        credentials.put(access(&subject, true, path));
    }
    assert_eq!(
        paths(&credentials, &subject),
        ["by-authority, context web", "unread.yaml, context web"],
        "what a file no longer holds is gone, what was not read may be there"
    );
}

#[test]
fn cred_03_a_cached_login_is_told_for_half_an_hour_after_complete() {
    let known = |kind| KnownCredential {
        location: KubeconfigLocation::Clipboard,
        kind,
        expires: None,
        verdict: Verdict::Works,
        reasons: Vec::new(),
        wide_mode: None,
        other_file: None,
    };
    let login = known(CredentialKind::StackitPlugin { is_idp: false });
    let told = |phase, known: &KnownCredential, minutes| {
        let mut subject = cluster("web", phase);
        subject.rotation.completed = (minutes >= 0).then(now);
        login_cache_may_be_stale(&subject, [known], now() + SignedDuration::from_mins(minutes))
    };
    assert!(told(Phase::Completing, &login, 500) && told(Phase::Completed, &login, 29));
    assert!(!told(Phase::Completed, &login, 30) && !told(Phase::Completed, &login, -1));
    for phase in [Phase::Never, Phase::Preparing, Phase::Prepared, Phase::Unknown("X".into())] {
        assert!(!told(phase.clone(), &login, 1), "{phase:?} ended no certificate");
    }
    let certificate = known(CredentialKind::ClientCertificate);
    let idp = known(CredentialKind::StackitPlugin { is_idp: true });
    assert!(!told(Phase::Completed, &certificate, 1) && !told(Phase::Completed, &idp, 1));
}

/// Verdict about a context in a phase of a rotation, with one kubeconfig that SKE issued in it.
fn told(phase: Phase, found: &FoundContext) -> (Verdict, Vec<VerdictReason>) {
    let mut subject = cluster("web", Phase::Never);
    subject.rotation = moment(1, phase.clone());
    let reference = issued(1, &phase, true);
    let (verdict, reasons, _) =
        JudgeInput::new(&subject, vec![&reference], None, now()).judge(found);
    (verdict, reasons)
}

fn pinned(authorities: &[usize], certificate: ClientCertificate) -> FoundContext {
    found(Trust::Authorities(keys(authorities)), vec![SignIn::Certificate(certificate)])
}

#[test]
fn cred_02_what_kubectl_cannot_use_is_never_access() {
    let good = pinned(&[0, 1], certificate(1));
    assert_eq!(told(Phase::Prepared, &good).0, Verdict::SurvivesComplete);
    let unusable = FoundContext { unusable: Some("client-key is missing".into()), ..good.clone() };
    let why = VerdictReason::Unusable("client-key is missing".into());
    assert_eq!(told(Phase::Prepared, &unusable), (Verdict::CannotTell, vec![why]));
    // A program that is missing here hides nothing that is known: the old CA alone stops working on complete.
    let lacks = |found: FoundContext| FoundContext { missing_program: Some("it".into()), ..found };
    let doubt = VerdictReason::MissingProgram("it".into());
    for (found, verdict) in [
        (good, Verdict::CannotTell),
        (pinned(&[0], certificate(0)), Verdict::BreaksOnComplete),
        (pinned(&[0], certificate(1)), Verdict::BreaksOnComplete),
    ] {
        let (told, reasons) = told(Phase::Prepared, &lacks(found));
        assert_eq!(told, verdict);
        assert!(reasons.contains(&doubt), "{reasons:?}");
    }
}

#[test]
fn cred_02_a_server_certificate_in_the_place_of_an_authority_is_not_called_foreign() {
    let other = pinned(&[7], certificate(1));
    let shown = FoundContext { authorities: vec![valid(7, false)], ..other.clone() };
    for phase in [Phase::Preparing, Phase::Prepared, Phase::Completing, Phase::Completed] {
        let (verdict, reasons) = told(phase, &shown);
        assert_eq!(verdict, Verdict::CannotTell);
        assert!(reasons.contains(&VerdictReason::ServerCertificate));
    }
    assert_eq!(told(Phase::Prepared, &other).0, Verdict::Dead);
    let authorities = vec![valid(0, true), valid(1, true), valid(7, false)];
    let beside = FoundContext { authorities, ..pinned(&[0, 1, 7], certificate(1)) };
    assert_eq!(told(Phase::Prepared, &beside).0, Verdict::SurvivesComplete);
}

#[test]
fn cred_02_who_trusts_the_new_authority_alone_cannot_connect_before_complete() {
    let alone = pinned(&[1], certificate(1));
    for phase in [Phase::Preparing, Phase::Prepared] {
        let (verdict, reasons) = told(phase, &alone);
        assert_eq!(verdict, Verdict::CannotTell);
        assert!(reasons.contains(&VerdictReason::Bundle(Bundle::NewestAlone)));
    }
    assert_eq!(told(Phase::Completed, &alone).0, Verdict::Works);
}

#[test]
fn cred_02_what_is_newer_than_ske_shows_is_not_called_older() {
    let newer =
        FoundContext { authorities: vec![valid(2, true)], ..pinned(&[1, 2], certificate(2)) };
    let (verdict, reasons) = told(Phase::Completed, &newer);
    assert_eq!((verdict, reasons), (Verdict::CannotTell, vec![VerdictReason::NewerThanKnown]));
    let older =
        FoundContext { authorities: vec![valid(1, true)], ..pinned(&[0, 1], certificate(0)) };
    assert_eq!(told(Phase::Completed, &older).0, Verdict::Dead);
}

#[test]
fn cred_02_a_certificate_without_a_key_id_tells_no_generation() {
    let unnamed = ClientCertificate { authority_key_id: None, ..certificate(1) };
    let (verdict, reasons) = told(Phase::Completed, &pinned(&[1], unnamed));
    assert_eq!(verdict, Verdict::CannotTell);
    assert!(reasons.contains(&VerdictReason::Signer(Generation::Unknown)));
}

#[test]
fn cred_03_kind_and_end_are_those_of_the_way_that_works() {
    let mut subject = cluster("web", Phase::Completed);
    subject.rotation = moment(1, Phase::Completed);
    let issuance = issued(1, &Phase::Completed, true);
    let mut credentials = Credentials::default();
    let (id, created) = (subject.id.clone(), subject.created);
    credentials.note(Reference { cluster: id, created, issuance });
    let token = |expires| {
        let key_id = Some("k1".to_owned());
        SignIn::ServiceAccountToken(TokenFacts { key_id, expires, ..TokenFacts::default() })
    };
    let accepted = SigningKeys {
        accepted: BTreeSet::from(["k1".to_owned()]),
        signing: Some("k1".to_owned()),
        ..SigningKeys::default()
    };
    let row = |ways: Vec<SignIn>| {
        let context = FoundContext { sign_in: ways, ..pinned(&[1], certificate(1)) };
        let files = [fixtures::found("a", Ok(vec![context]))];
        credentials.inventory(&subject, &files, Some(&accepted), now()).remove(0)
    };
    let soon = now() + SignedDuration::from_hours(1);
    let dead = SignIn::Certificate(certificate(0));
    let known = row(vec![dead, token(Some(soon))]);
    assert_eq!(known.kind, CredentialKind::ServiceAccountToken);
    assert_eq!((known.expires, known.verdict), (Some(soon), Verdict::Works));
    assert_eq!(
        HeldAccess::of(&[known]).certain(),
        None,
        "the rights of a service account are not known"
    );
    let ended = SignIn::Certificate(ClientCertificate { not_after: now(), ..certificate(1) });
    let known = row(vec![ended, token(None)]);
    assert_eq!((known.expires, known.verdict), (None, Verdict::Works));
}

#[test]
fn cred_03_a_signer_that_is_only_not_the_one_in_use_is_no_access() {
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = moment(3, Phase::Prepared);
    let held = |known: &[Issuance], pins: &[usize], signer: usize| {
        let mut credentials = Credentials::default();
        for issuance in known {
            let (id, created) = (subject.id.clone(), subject.created);
            credentials.note(Reference { cluster: id, created, issuance: issuance.clone() });
        }
        let files = [fixtures::found("a", Ok(vec![pinned(pins, certificate(signer))]))];
        let known = credentials.inventory(&subject, &files, None, now());
        (known[0].verdict, HeldAccess::of(&known).certain().is_some())
    };
    let current = issued(3, &Phase::Prepared, true);
    let breaks = |is_access| (Verdict::BreaksOnComplete, is_access);
    assert_eq!(held(std::slice::from_ref(&current), &[2, 3], 3), (Verdict::SurvivesComplete, true));
    // The signer may have been removed by an earlier rotation, or belong to another cluster.
    for signer in [0, 1, 2, 7] {
        for pins in [&[2][..], &[2, 3], &[1, 2]] {
            assert_eq!(
                held(std::slice::from_ref(&current), pins, signer),
                breaks(false),
                "{signer} {pins:?}"
            );
        }
    }
    // SKE issued one with that signer immediately before this start.
    for before in [issued(2, &Phase::Completed, true), issued(2, &Phase::Prepared, true)] {
        let known = [current.clone(), before];
        assert_eq!(held(&known, &[2], 2), breaks(true));
        assert_eq!(held(&known, &[2, 3], 2), breaks(true));
        assert_eq!(held(&known, &[2], 7), breaks(false));
    }
    // It was in use before some start, not necessarily this one.
    let unread = Issuance { rotation: None, ..issued(1, &Phase::Completed, true) };
    assert_eq!(held(&[current.clone(), unread], &[2], 1), breaks(false));
    let ended = issued(1, &Phase::Completed, true);
    assert_eq!(held(&[current, ended], &[2], 1), (Verdict::Dead, false));
}

#[test]
fn cred_03_a_bundle_of_another_cluster_while_completing_is_no_access() {
    let mut subject = cluster("web", Phase::Completing);
    subject.rotation = moment(2, Phase::Completing);
    let mut credentials = Credentials::default();
    for (number, phase) in [(1, Phase::Completed), (2, Phase::Completing)] {
        let issuance = issued(number, &phase, true);
        let (cluster, created) = (subject.id.clone(), subject.created);
        let issuance = Issuance {
            facts: CredentialFacts { server: "api.example".into(), ..issuance.facts },
            ..issuance
        };
        credentials.note(Reference { cluster, created, issuance });
    }
    let held = |pins: &[usize]| {
        let files = [fixtures::found("a", Ok(vec![pinned(pins, certificate(1))]))];
        let known = credentials.inventory(&subject, &files, None, now());
        (known[0].verdict, HeldAccess::of(&known).certain().is_some())
    };
    assert_eq!(held(&[1]), (Verdict::BreaksOnComplete, true));
    assert_eq!(held(&[7]), (Verdict::BreaksOnComplete, false));
}

#[test]
fn a_refusal_contradicts_no_verdict_that_leaves_open_whether_it_works_until_complete() {
    let known = |verdict, reason| KnownCredential {
        location: KubeconfigLocation::Clipboard,
        kind: CredentialKind::ClientCertificate,
        expires: None,
        verdict,
        reasons: vec![reason],
        wide_mode: None,
        other_file: None,
    };
    let refused = Trial::Refused("HTTP 401".into());
    let breaks = |generation| known(Verdict::BreaksOnComplete, VerdictReason::Signer(generation));
    let contradicts = |known: &KnownCredential| known.is_contradicted(&refused, &Phase::Prepared);
    assert!(contradicts(&breaks(Generation::Previous)));
    assert!(!contradicts(&breaks(Generation::NotCurrent)));
    let token = VerdictReason::TokenKey(Generation::Current);
    assert!(contradicts(&known(Verdict::SurvivesComplete, token)));
}

#[test]
fn cred_02_a_token_for_another_audience_is_not_called_working() {
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = moment(1, Phase::Prepared);
    let reference = issued(1, &Phase::Prepared, true);
    let judged = |key: &str, audiences: &[&str], of_server: &[&str]| {
        let text = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        let signing = SigningKeys {
            accepted: ["0", "1"].map(str::to_owned).into(),
            signing: Some("1".into()),
            audiences: text(of_server),
        };
        let token = TokenFacts {
            key_id: Some(key.into()),
            issuer: "https://issuer.example".into(),
            audiences: text(audiences),
            ..TokenFacts::default()
        };
        let context =
            found(Trust::Authorities(keys(&[0, 1])), vec![SignIn::ServiceAccountToken(token)]);
        let input = JudgeInput::new(&subject, vec![&reference], Some(&signing), now());
        let (verdict, reasons, _) = input.judge(&context);
        let other = VerdictReason::TokenAudience(text(audiences));
        (verdict, reasons.contains(&other))
    };
    let usual = ["kubernetes", "gardener"];
    for (audiences, of_server) in [
        (&[][..], &[][..]),
        (&[], &["own"]),
        (&["https://issuer.example"], &[]),
        (&["vault", "https://issuer.example"], &[]),
        (&usual, &[]),
        (&usual, &usual),
        (&["vault", "gardener"], &usual),
        (&["own"], &["own"]),
    ] {
        let told = judged("1", audiences, of_server);
        assert_eq!(told, (Verdict::SurvivesComplete, false), "{audiences:?} {of_server:?}");
        assert_eq!(judged("0", audiences, of_server), (Verdict::BreaksOnComplete, false));
    }
    for (audiences, of_server) in [
        (&["vault"][..], &[][..]),
        (&["vault"], &usual),
        (&["https://issuer.example"], &usual),
        (&usual, &["own"]),
    ] {
        let told = judged("1", audiences, of_server);
        assert_eq!(told, (Verdict::CannotTell, true), "{audiences:?} {of_server:?}");
        assert_eq!(judged("0", audiences, of_server), (Verdict::BreaksOnComplete, true));
        assert_eq!(judged("9", audiences, of_server).0, Verdict::Dead);
    }
}

#[test]
fn cred_04_what_was_saved_counts_only_while_its_file_holds_it() {
    let subject = cluster("web", Phase::Prepared);
    let mut credentials = Credentials::default();
    credentials.put(access(&subject, true, "~/.kube/config"));
    let known = |files: &[FoundFile]| credentials.inventory(&subject, files, None, now());
    let held = known(&fixtures::files_of(&credentials));
    assert_eq!(
        HeldAccess::of(&held).certain().map(|best| best.verdict),
        Some(Verdict::SurvivesComplete)
    );
    assert_eq!(known(&[fixtures::found("~/.kube/config", Ok(Vec::new()))]), []);
    let mut linked = fixtures::found("~/dotfiles/kube", Ok(Vec::new()));
    linked.other_names.push("~/.kube/config".to_owned());
    assert_eq!(known(&[linked]), [], "the file has another name, too");
    let unread = || vec![fixtures::found("~/.kube/config", Err("line 1".into()))];
    let mut ended = credentials.clone();
    ended.accesses[0].expires = Some(now());
    let known_to_end = ended.inventory(&subject, &unread(), None, now());
    assert_eq!(known_to_end[0].verdict, Verdict::Expired, "whatever its file holds");
    for files in [vec![], unread()] {
        let known = known(&files);
        let told: Vec<_> = known.iter().map(|one| (one.verdict, one.reasons.clone())).collect();
        assert_eq!(told, [(Verdict::CannotTell, vec![VerdictReason::FileNotRead])]);
        assert_eq!(HeldAccess::of(&known).certain(), None);
    }
}

#[test]
fn a_cluster_of_that_name_in_another_project_is_not_called_dead() {
    let mut subject = cluster("web", Phase::Completed);
    subject.version = KubernetesVersion::new("1.26.4");
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let found = [found_file("a", server, Trust::Anything, SignIn::StaticToken)];
    let known = Credentials::default().inventory(&subject, &found, None, now());
    assert_eq!(known[0].reasons, [VerdictReason::MayBeElsewhere]);
    assert_eq!(known[0].verdict, Verdict::CannotTell);
}

#[test]
fn cred_03_kubectl_is_never_led_to_an_entry_that_cannot_work() {
    let subject = cluster("web", Phase::Never);
    let reference = issued(0, &Phase::Never, true);
    let (id, created) = (subject.id.clone(), subject.created);
    let mut credentials = Credentials::default();
    credentials.note(Reference { cluster: id, created, issuance: reference });
    let led = |context: FoundContext| {
        let files = [fixtures::found("~/.kube/config", Ok(vec![context]))];
        credentials.kubectl_context(&subject, &files, now()).is_some()
    };
    assert!(led(pinned(&[0], certificate(0))));
    let ended = ClientCertificate { not_after: now(), ..certificate(0) };
    assert!(!led(pinned(&[0], ended)));
    let mut subject = subject.clone();
    subject.rotation = moment(1, Phase::Completed);
    let mut later = credentials.clone();
    let (id, created) = (subject.id.clone(), subject.created);
    later.note(Reference { cluster: id, created, issuance: issued(1, &Phase::Completed, true) });
    let files = [fixtures::found("~/.kube/config", Ok(vec![pinned(&[0], certificate(0))]))];
    assert_eq!(later.inventory(&subject, &files, None, now())[0].verdict, Verdict::Dead);
    assert_eq!(later.kubectl_context(&subject, &files, now()), None);
    let unusable = Some("client-key is missing".to_owned());
    assert!(!led(FoundContext { unusable, ..pinned(&[0], certificate(0)) }));
}

#[test]
fn cred_02_what_ske_issued_to_a_cluster_of_unknown_age_proves_nothing_of_its_successor() {
    let subject = cluster("web", Phase::Never);
    let mut credentials = Credentials::default();
    let mut issuance = issued(0, &Phase::Never, true);
    issuance.facts.server = "api.example".into();
    let (cluster, created) = (subject.id.clone(), None);
    credentials.note(Reference { cluster, created, issuance });
    let files = [fixtures::found("a", Ok(vec![pinned(&[0], certificate(0))]))];
    let known = credentials.inventory(&subject, &files, None, now());
    assert!(!known.iter().any(|known| known.verdict.works_now()), "{known:?}");
    let mut undated = subject;
    undated.created = None;
    let known = credentials.inventory(&undated, &files, None, now());
    assert_eq!(known[0].verdict, Verdict::Works);
}

#[test]
fn cred_02_what_leads_to_the_cluster_by_name_alone_is_no_access() {
    let mut subject = cluster("web", Phase::Never);
    subject.version = KubernetesVersion::new("1.26.4");
    let server = "api.web.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let files = [found_file("a", server, Trust::Anything, SignIn::StaticToken)];
    let known = Credentials::default().inventory(&subject, &files, None, now());
    assert_eq!(known[0].verdict, Verdict::BreaksOnStart);
    assert_eq!(HeldAccess::of(&known), HeldAccess::Unclear(&known[0]));
}

#[test]
fn cred_02_what_is_not_valid_at_this_time_is_no_access() {
    let judged = |authorities: Vec<Authority>| {
        let context = FoundContext { authorities, ..pinned(&[0, 1], certificate(1)) };
        told(Phase::Prepared, &context)
    };
    let hour = 3_600;
    let with = |number: usize, begin: i64, end: i64| Authority {
        validity: (now().as_second() + begin, now().as_second() + end),
        ..valid(number, true)
    };
    let good = || with(1, -hour, hour);
    assert_eq!(judged(vec![valid(0, true), good()]).0, Verdict::SurvivesComplete);
    for outdated in [with(1, -hour, 0), with(1, hour, 2 * hour), valid(1, false)] {
        let (verdict, _) = judged(vec![valid(0, true), outdated.clone()]);
        assert_eq!(verdict, Verdict::BreaksOnComplete, "as if it had the old one alone");
        let (verdict, _) = judged(vec![valid(0, true), outdated.clone(), good()]);
        assert_eq!(verdict, Verdict::SurvivesComplete, "another certificate of that key counts");
        let (verdict, _) = judged(vec![with(0, -hour, 0), outdated]);
        assert_eq!(verdict, Verdict::CannotTell);
    }
    let early =
        ClientCertificate { not_before: now() + SignedDuration::from_hours(1), ..certificate(1) };
    let (verdict, reasons) = told(Phase::Prepared, &pinned(&[0, 1], early));
    assert_eq!(verdict, Verdict::CannotTell);
    assert!(matches!(&reasons[0], VerdictReason::Unusable(why) if why.contains("not valid yet")));
}

#[test]
fn api_21_without_an_expiry_from_ske_the_certificate_ends_a_kubeconfig() {
    let subject = cluster("web", Phase::Never);
    let mut issuance = issued(0, &Phase::Never, true);
    let end = now() + SignedDuration::from_hours(1);
    issuance.facts.client = Some(ClientCertificate { not_after: end, ..certificate(0) });
    let (location, issuance) = (KubeconfigLocation::Clipboard, Some(issuance));
    let mut credentials = Credentials::default();
    credentials.put(Access { location, issuance, expires: None, ..access(&subject, true, "") });
    let known = |at| credentials.inventory(&subject, &[], None, at).remove(0);
    assert_eq!((known(now()).expires, known(now()).verdict), (Some(end), Verdict::Works));
    assert_eq!(known(end).verdict, Verdict::Expired);
    let soon = end + SignedDuration::from_secs(1);
    assert_eq!(credentials.ending_before([&subject].into_iter(), &[], soon).len(), 1);
    credentials.prune(None);
    assert_eq!(credentials.accesses.len(), 1, "it may not have ended by SKE's clock");
    credentials.prune(Some(end));
    assert_eq!(credentials.accesses, []);
}
