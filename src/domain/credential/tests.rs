//! Verdicts compared with a model of the platform, and regressions.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::domain::cluster::Cluster;
use crate::domain::credential::generation::{Generation, generation};
use crate::domain::credential::{
    Access, ClientCertificate, CredentialFacts, Credentials, HeldAccess, Issuance, KeyHash,
    KubeconfigLocation, Reference, Verdict, read_authorities,
};
use crate::domain::fixtures::{cluster, files_of, now};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::rotation::{Phase, Rotation};
use crate::fuzz::{changed, fuzz};

fn key(number: usize) -> KeyHash {
    KeyHash::parse(&format!("{number:064x}")).unwrap()
}

/// A kubeconfig by signer and trusted CAs.
fn facts(signer: Option<usize>, authorities: &[usize]) -> CredentialFacts {
    CredentialFacts {
        client: signer.map(|signer| ClientCertificate {
            issuer: format!("CN=client-{signer}"),
            authority_key_id: Some(format!("{signer:04x}")),
            serial: "01".into(),
            not_before: now(),
            not_after: now(),
        }),
        authorities: authorities.iter().map(|number| key(*number)).collect(),
        ..CredentialFacts::default()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// What SKE reports and issues at one step of a lifetime with several rotations.
#[derive(Debug, Clone)]
struct Moment {
    shown: Rotation,
    issued: (usize, Vec<usize>),
    /// Number of rotations started.
    number: usize,
}

/// Every step in the lifetime of a cluster, rotation by rotation.
fn life(rotations: usize) -> Vec<Moment> {
    let begin = |number: usize| (number > 0).then(|| at(i64::try_from(number).unwrap() * 1_000));
    let end =
        |number: usize| (number > 0).then(|| at(i64::try_from(number).unwrap() * 1_000 + 500));
    let moment = |phase, number: usize, completed, signer, authorities: &[usize]| Moment {
        shown: Rotation { phase, initiated: begin(number), completed: end(completed) },
        issued: (signer, authorities.to_vec()),
        number,
    };
    let mut all = vec![moment(Phase::Never, 0, 0, 0, &[0])];
    for new in 1..=rotations {
        let old = new - 1;
        // A start may report its time before its phase, or its phase before its time.
        let rests = if old == 0 { Phase::Never } else { Phase::Completed };
        all.push(moment(rests, new, old, old, &[old]));
        let early = moment(Phase::Preparing, old, old, old, &[old]);
        all.push(Moment { number: new, ..early });
        all.push(moment(Phase::Preparing, new, old, old, &[old]));
        all.push(moment(Phase::Preparing, new, old, new, &[old, new]));
        all.push(moment(Phase::Prepared, new, old, new, &[old, new]));
        all.push(moment(Phase::Completing, new, old, new, &[new]));
        all.push(moment(Phase::Completed, new, new, new, &[new]));
    }
    all
}

/// Kubeconfigs requested at some steps; the rotation reported before each may be one step old, or unread.
fn asked() -> impl Strategy<Value = Vec<(usize, Option<usize>, bool)>> {
    prop::collection::vec((0_usize..22, prop::option::of(0_usize..2), any::<bool>()), 1..8)
}

proptest! {
    #![proptest_config(crate::property_cases(2_000))]

    #[test]
    fn cred_02_no_verdict_is_wrong_whatever_was_issued_when(asked in asked(), seen in 0_usize..22) {
        let life = life(3);
        let issued: Vec<(usize, Issuance)> = asked
            .iter()
            .filter(|(step, ..)| *step <= seen)
            .map(|(step, lag, has_client)| {
                let (signer, authorities) = &life[*step].issued;
                let rotation = lag.map(|lag| life[step.saturating_sub(lag)].shown.clone());
                let facts = facts(has_client.then_some(*signer), authorities);
                (*step, Issuance { facts, rotation })
            })
            .collect();
        let known: Vec<&Issuance> = issued.iter().map(|(_, issuance)| issuance).collect();
        let moment = &life[seen];
        if !moment.shown.is_clear() {
            return Ok(());
        }
        for (step, issuance) in &issued {
            let newest = *life[*step].issued.1.last().unwrap();
            let truth = if newest >= moment.number { Generation::Current } else { Generation::Previous };
            let told = generation(issuance, &known, &moment.shown);
            let has_ended = newest + usize::from(moment.shown.phase.is_open()) < moment.number;
            prop_assert!(
                told == truth
                    || told == Generation::Unknown
                    || told == Generation::Ended && has_ended
                    || moment.number == 0,
                "{told:?} for {issuance:?} at {moment:?}"
            );
        }
    }
}

#[test]
fn cred_02_what_was_read_immediately_before_always_tells() {
    let life = life(3);
    for (seen, moment) in
        life.iter().enumerate().filter(|(_, moment)| moment.number > 0 && moment.shown.is_clear())
    {
        for issued in &life[..=seen] {
            let (signer, authorities) = &issued.issued;
            let rotation = Some(issued.shown.clone());
            let issuance = Issuance { facts: facts(Some(*signer), authorities), rotation };
            let told = generation(&issuance, &[&issuance], &moment.shown);
            // Shortly after a start two kinds are issued; only later ones tell them apart.
            let is_unclear = told == Generation::Unknown;
            let is_beginning =
                issued.shown.phase == Phase::Preparing || issued.shown.mixes_rotations();
            assert!(!is_unclear || is_beginning, "{issued:?} {moment:?}");
        }
    }
}

fn access(subject: &Cluster, hours: i64, location: &str, issuance: Option<Issuance>) -> Access {
    Access {
        cluster: subject.id.clone(),
        created: subject.created,
        kind: KubeconfigKind::Admin,
        issued: now() - SignedDuration::from_hours(hours),
        expires: Some(now() + SignedDuration::from_hours(24 * 179)),
        location: KubeconfigLocation::File {
            path: location.into(),
            context: "web".into(),
            whole: false,
        },
        issuance,
        forgotten: false,
    }
}

#[test]
fn what_is_forgotten_is_not_listed_and_still_tells_generations_apart() {
    let subject = cluster("web", Phase::Prepared);
    let fresh = crate::domain::fixtures::access(&subject, true, "~/.kube/config");
    let copied = Access { location: KubeconfigLocation::Clipboard, ..fresh };
    let later = Access { expires: Some(now() + SignedDuration::from_hours(40)), ..copied.clone() };
    let old = crate::domain::fixtures::access(&subject, false, "~/.kube/old");
    let mut credentials = Credentials::default();
    for access in [copied, later, old] {
        credentials.put(access);
    }
    let verdicts = |credentials: &Credentials| {
        let known = credentials.inventory(&subject, &[], None, now());
        known.iter().map(|known| (known.location.describe(), known.verdict)).collect::<Vec<_>>()
    };
    let before = verdicts(&credentials);
    let listed = credentials.inventory(&subject, &[], None, now());
    let of_file = listed.iter().find(|known| known.location.entry().is_some()).unwrap();
    let (id, created) = (&subject.id, subject.created);
    assert!(!credentials.forget(id, created, of_file), "the file decides");
    let earlier = created.map(|at| at - SignedDuration::from_hours(1));
    assert!(!credentials.forget(id, earlier, &listed[0]), "another cluster of that name");
    assert!(credentials.forget(id, created, &listed[0]));
    assert!(!credentials.forget(id, created, &listed[0]), "once");
    assert_eq!(verdicts(&credentials), before[1..], "by the same proof");
    let soon = now() + SignedDuration::from_hours(20);
    assert!(credentials.ending_before([&subject].into_iter(), &[], soon).is_empty());
    assert_eq!(credentials.known_of(&subject).len(), 3);
    credentials.prune(Some(soon));
    assert_eq!(credentials.references.len(), 2, "what expired is proof as before");
}

fn rotation(phase: Phase, initiated: i64, completed: Option<i64>) -> Rotation {
    Rotation { phase, initiated: Some(at(initiated)), completed: completed.map(at) }
}

fn verdicts(credentials: &Credentials, subject: &Cluster) -> Vec<Verdict> {
    credentials.verdicts(subject, now()).into_iter().map(|(_, verdict)| verdict).collect()
}

#[test]
fn cred_02_the_clock_of_this_machine_decides_nothing() {
    let mut subject = cluster("web", Phase::Completed);
    subject.rotation = rotation(Phase::Completed, 0, Some(500));
    let before = Issuance { facts: facts(Some(1), &[1]), rotation: Some(subject.rotation.clone()) };
    subject.rotation = rotation(Phase::Prepared, 1_000, Some(500));
    let after =
        Issuance { facts: facts(Some(2), &[1, 2]), rotation: Some(subject.rotation.clone()) };
    // Hours by this machine's clock, which may be arbitrarily wrong.
    for hours in [-24, 0, 24] {
        let credentials = Credentials {
            accesses: vec![
                access(&subject, hours, "a", Some(before.clone())),
                access(&subject, -hours, "b", Some(after.clone())),
            ],
            references: Vec::new(),
        };
        let told = verdicts(&credentials, &subject);
        assert_eq!(told, [Verdict::BreaksOnComplete, Verdict::SurvivesComplete]);
    }
}

#[test]
fn cred_03_what_a_completed_rotation_ended_is_dead_and_no_access() {
    let mut subject = cluster("web", Phase::Completed);
    subject.rotation = rotation(Phase::Completed, 0, Some(500));
    let before = Issuance { facts: facts(Some(1), &[1]), rotation: Some(subject.rotation.clone()) };
    let mut credentials = Credentials::default();
    credentials.put(access(&subject, 1, "a", Some(before)));
    assert_eq!(verdicts(&credentials, &subject), [Verdict::Works]);
    for (phase, completed, told) in [
        (Phase::Preparing, 500, Verdict::BreaksOnComplete),
        (Phase::Prepared, 500, Verdict::BreaksOnComplete),
        (Phase::Completing, 500, Verdict::BreaksOnComplete),
        (Phase::Completed, 2_000, Verdict::Dead),
    ] {
        subject.rotation = rotation(phase, 1_000, Some(completed));
        assert_eq!(verdicts(&credentials, &subject), [told]);
    }
    let known = credentials.inventory(&subject, &files_of(&credentials), None, now());
    assert_eq!(HeldAccess::of(&known).certain(), None);
}

#[test]
fn cred_04_a_replaced_access_is_removed_and_still_identifies_generations() {
    let mut subject = cluster("web", Phase::Completed);
    subject.rotation = rotation(Phase::Completed, 0, Some(500));
    let before = Issuance { facts: facts(Some(1), &[1]), rotation: Some(subject.rotation.clone()) };
    let mut credentials = Credentials::default();
    credentials.put(access(&subject, 5, "a", Some(before.clone())));
    credentials.put(access(&subject, 5, "b", Some(before)));
    subject.rotation = rotation(Phase::Prepared, 1_000, Some(500));
    let after =
        Issuance { facts: facts(Some(2), &[1, 2]), rotation: Some(subject.rotation.clone()) };
    let renewed = access(&subject, 1, "a", Some(after));
    credentials.put(renewed.clone());
    assert_eq!(
        verdicts(&credentials, &subject),
        [Verdict::BreaksOnComplete, Verdict::SurvivesComplete],
        "one row for each place"
    );
    assert_eq!(credentials.references.len(), 1);
    // Another instance of the program still has the old one in memory.
    let mut other = Credentials::default();
    other.put(access(&subject, 5, "a", None));
    other.join(credentials.clone());
    assert_eq!(other.accesses.iter().filter(|a| a.location == renewed.location).count(), 1);
    credentials.join(other);
    assert!(credentials.accesses.contains(&renewed));
    assert_eq!(credentials.accesses.len(), 2);
}

#[test]
fn cred_05_without_the_moment_of_the_start_nothing_is_promised() {
    let mut subject = cluster("web", Phase::Prepared);
    let issuance = Issuance { facts: facts(Some(2), &[1, 2]), rotation: None };
    for phase in [Phase::Preparing, Phase::Prepared, Phase::Completing, Phase::Completed] {
        subject.rotation = Rotation { phase, initiated: None, completed: None };
        for asked in [None, Some(subject.rotation.clone())] {
            let issuance = Issuance { rotation: asked, ..issuance.clone() };
            let credentials = Credentials {
                accesses: vec![access(&subject, 1, "a", Some(issuance))],
                references: Vec::new(),
            };
            assert_eq!(verdicts(&credentials, &subject), [Verdict::CannotTell]);
            let known = credentials.inventory(&subject, &files_of(&credentials), None, now());
            assert_eq!(HeldAccess::of(&known).certain(), None);
        }
    }
}

#[test]
fn cred_05_records_of_earlier_versions_are_unknown_after_a_start() {
    let mut subject = cluster("web", Phase::Never);
    subject.rotation = Rotation { phase: Phase::Never, initiated: None, completed: None };
    let credentials =
        Credentials { accesses: vec![access(&subject, 1, "a", None)], references: Vec::new() };
    assert_eq!(verdicts(&credentials, &subject), [Verdict::Works]);
    subject.rotation = rotation(Phase::Prepared, 0, None);
    assert_eq!(verdicts(&credentials, &subject), [Verdict::CannotTell]);
    // Nor whether it is for this cluster or an earlier one with the same name.
    subject.rotation = Rotation { phase: Phase::Never, initiated: None, completed: None };
    let mut unsigned = credentials.clone();
    unsigned.accesses[0].created = None;
    assert_eq!(verdicts(&unsigned, &subject), [Verdict::CannotTell]);
    subject.created = Some(now());
    assert!(verdicts(&credentials, &subject).is_empty());
}

#[test]
fn what_the_program_gets_for_itself_tells_the_generation_of_a_persons_kubeconfig() {
    let mut subject = cluster("web", Phase::Prepared);
    subject.rotation = rotation(Phase::Prepared, 1_000, Some(500));
    let mut credentials = Credentials::default();
    // Requested during the start: it may be of either generation.
    let asked = rotation(Phase::Completed, 0, Some(500));
    let unclear = Issuance { facts: facts(Some(2), &[1, 2]), rotation: Some(asked) };
    credentials.put(access(&subject, 1, "a", Some(unclear)));
    assert_eq!(verdicts(&credentials, &subject), [Verdict::CannotTell]);
    let reference = |signer| Reference {
        cluster: subject.id.clone(),
        created: subject.created,
        issuance: Issuance {
            facts: facts(Some(signer), &[1, 2]),
            rotation: Some(subject.rotation.clone()),
        },
    };
    assert!(credentials.note(reference(2)));
    assert!(!credentials.note(reference(2)), "it tells nothing new");
    assert_eq!(verdicts(&credentials, &subject), [Verdict::SurvivesComplete]);
    // Of two contradicting answers neither is trusted.
    credentials.references.clear();
    credentials.note(reference(3));
    assert_eq!(verdicts(&credentials, &subject), [Verdict::BreaksOnComplete]);
}

#[test]
fn certificates_are_read_as_their_authority_made_them() {
    use base64::Engine as _;
    let authority = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertifiedIssuer::self_signed(params, key).unwrap()
    };
    let encode = |pem: &str| STANDARD.encode(pem);
    let (old, new) = (authority("ca-client-old"), authority("ca-client-new"));
    let client = |signer: &rcgen::CertifiedIssuer<'_, rcgen::KeyPair>, with_id| {
        let mut params = rcgen::CertificateParams::default();
        params.use_authority_key_identifier_extension = with_id;
        params.serial_number = Some(rcgen::SerialNumber::from(0x2a_u64));
        let key = rcgen::KeyPair::generate().unwrap();
        encode(&params.signed_by(&key, signer).unwrap().pem())
    };
    let one = encode(&old.pem());
    let both = encode(&format!("{}{}", old.pem(), new.pem()));
    let read =
        |bundle: &str, client: &str| CredentialFacts::read("", bundle, Some(client)).unwrap();
    let before = read(&one, &client(&old, true));
    let after = read(&both, &client(&new, true));
    assert_eq!((before.authorities.len(), after.authorities.len()), (1, 2));
    assert!(before.authorities.is_subset(&after.authorities));
    let [before, after] = [before, after].map(|facts| facts.client.unwrap());
    assert_ne!(before.signer(), after.signer());
    assert_eq!((before.serial.as_str(), before.issuer.as_str()), ("2a", "CN=ca-client-old"));
    let unnamed = read(&one, &client(&old, false)).client.unwrap();
    assert_eq!((unnamed.signer(), &unnamed.authority_key_id), ("CN=ca-client-old", &None));
    for broken in [
        "",
        "QUJD",
        "!!",
        &encode("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"),
    ] {
        assert!(CredentialFacts::read("", broken, None).is_err(), "{broken}");
        assert!(CredentialFacts::read("", &one, Some(broken)).is_err(), "{broken}");
    }
    let keys: BTreeSet<_> = CredentialFacts::read("", &both, None).unwrap().authorities;
    assert_eq!(keys.len(), 2);
}

#[test]
fn the_newest_authority_is_the_only_one_that_begins_last() {
    let certificate = |year, is_ca: bool| {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(year, 1, 1);
        if is_ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let [old, new, same] = [2024, 2025, 2025].map(|year| certificate(year, true));
    let facts = |pem: &str| CredentialFacts::read("", &STANDARD.encode(pem), None).unwrap();
    let only = facts(&new).authorities.into_iter().next();
    assert!(only.is_some());
    for text in [&new, &format!("{old}{new}"), &format!("{new}{old}"), &format!("{new}{new}")] {
        assert_eq!(facts(text).newest, only);
    }
    assert_eq!(facts(&format!("{old}{new}{same}")).newest, None);
    let is_ca = |pem: &str| read_authorities(pem.as_bytes()).unwrap()[0].is_ca;
    assert!(is_ca(&old) && !is_ca(&certificate(2024, false)));
}

#[test]
fn references_that_say_something_else_are_kept_beside_each_other() {
    let subject = cluster("web", Phase::Completed);
    let rotation = Some(rotation(Phase::Completed, 1, Some(2)));
    let one = Issuance { facts: facts(Some(1), &[0, 1]), rotation };
    let with = |facts: CredentialFacts| Issuance { facts, ..one.clone() };
    let all = [
        one.clone(),
        with(facts(Some(2), &[0, 1])),
        with(facts(Some(1), &[1])),
        with(CredentialFacts { newest: Some(key(1)), ..one.facts.clone() }),
        with(CredentialFacts { server: "api.example".into(), ..one.facts.clone() }),
        Issuance { rotation: None, ..one.clone() },
    ];
    let mut credentials = Credentials::default();
    let (cluster, created) = (subject.id.clone(), subject.created);
    let mut note = |issuance: &Issuance| {
        let (cluster, issuance) = (cluster.clone(), issuance.clone());
        credentials.note(Reference { cluster, created, issuance })
    };
    assert!(all.iter().all(&mut note));
    assert!(!all.iter().any(note));
}

#[test]
fn cred_02_without_a_certificate_the_authorities_tell() {
    let now = rotation(Phase::Prepared, 1, None);
    let issued =
        |authorities: &[usize], rotation| Issuance { facts: facts(None, authorities), rotation };
    let current = issued(&[0, 1], Some(now.clone()));
    let before =
        issued(&[0], Some(Rotation { phase: Phase::Never, initiated: None, completed: None }));
    let known = [&current, &before];
    let completed = Rotation { phase: Phase::Completed, completed: Some(at(2)), ..now };
    for (authorities, told) in [
        (&[0, 1][..], Generation::Current),
        (&[1], Generation::Current),
        (&[0], Generation::Previous),
    ] {
        assert_eq!(generation(&issued(authorities, None), &known, &completed), told);
    }
    assert_eq!(generation(&issued(&[0], None), &[], &completed), Generation::Unknown);
    assert_eq!(generation(&before, &[], &completed), Generation::Ended, "its own request tells");
    let empty = generation(&issued(&[], None), &known, &completed);
    assert_eq!(empty, Generation::Unknown, "a record without authorities");
    let earlier = issued(&[0], Some(rotation(Phase::Completed, -9, Some(-8))));
    let next = rotation(Phase::Prepared, 5, Some(2));
    assert_eq!(generation(&earlier, &[], &next), Generation::Ended, "another was completed since");
    let early = issued(&[0], Some(rotation(Phase::Preparing, 5, Some(2))));
    assert_eq!(generation(&early, &[], &next), Generation::Previous, "from before the new one");
}

#[test]
fn a_record_with_an_unreadable_end_or_cluster_is_not_taken_for_one_without() {
    let subject = cluster("web", Phase::Completed);
    let accesses = vec![access(&subject, 8, "a", None)];
    let written = serde_json::to_value(Credentials { accesses, ..Credentials::default() }).unwrap();
    assert!(serde_json::from_value::<Credentials>(written.clone()).is_ok());
    for field in ["expires", "created"] {
        let mut damaged = written.clone();
        damaged["accesses"][0][field] = "soon".into();
        assert!(serde_json::from_value::<Credentials>(damaged).is_err(), "{field}");
    }
}

#[test]
fn cred_02_pem_is_read_as_go_reads_it() {
    let certificate = |name: &str| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    };
    let (one, two) = (certificate("one"), certificate("two"));
    let lines = |text: &str| text.replace('\n', "\r\n");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (what, text, keys) in [
        ("two", format!("{one}{two}"), 2),
        ("text around", format!("one\n{one}two\n{two}end"), 2),
        ("another end of line", lines(&format!("{one}{two}")), 2),
        ("no end of line at the end", format!("{one}{}", two.trim_end()), 2),
        ("joined without an end of line", format!("{}{two}", one.trim_end()), 0),
        ("the first one joined", format!("{}{one}{two}", one.trim_end()), 1),
        (
            "something behind the end",
            one.replace("END CERTIFICATE-----", "END CERTIFICATE----- x"),
            0,
        ),
        ("indented", one.replace('\n', "\n  "), 0),
        ("in one line", one.replace('\n', ""), 0),
        ("with a header", one.replacen('\n', "\nProc-Type: 4\n\n", 1), 0),
        ("another label", one.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), 0),
        ("a broken one before", format!("{broken}{one}"), 1),
        ("a broken one behind", format!("{one}{broken}"), 1),
        ("one without an end", format!("{one}-----BEGIN CERTIFICATE-----\nAAAA\n"), 1),
        ("a key between", format!("{one}{key}{two}"), 2),
        ("nothing", String::new(), 0),
    ] {
        let found = read_authorities(text.as_bytes()).map_or(0, |keys| keys.len());
        assert_eq!(found, keys, "{what}");
    }
    // Run time is not quadratic in the length.
    let begun = "-----BEGIN CERTIFICATE-----\n".repeat(40_000) + "-----END X-----\n";
    assert_eq!(read_authorities(begun.as_bytes()), None);
}

fn pem(der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
}

#[test]
fn fuzz_certificates() {
    let mut parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    parameters.use_authority_key_identifier_extension = true;
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let word = ["\u{30}\u{80}", "\u{30}\u{1}", "\u{2}\u{1}\0", "\u{5}\0", "9912312359Z"];
    let (of_der, of_pem) = (
        changed([certificate.der().to_vec()], &word),
        changed([certificate.pem()], &["-----BEGIN CERTIFICATE-----\n", "====", "-----"]),
    );
    fuzz(256, &prop_oneof![of_der.prop_map(|der| pem(&der)), of_pem], |pem| {
        let text = STANDARD.encode(&pem);
        if let Ok(facts) = CredentialFacts::read("", &text, Some(&text)) {
            let client = facts.client.unwrap();
            prop_assert_eq!(crate::domain::text::clean(&client.issuer), client.issuer);
            prop_assert!(!facts.authorities.is_empty());
        }
        Ok(())
    });
}

#[test]
fn cred_02_one_authority_while_prepared_contradicts_the_phase_and_proves_nothing() {
    let prepared = rotation(Phase::Prepared, 1_000, Some(500));
    let completing = rotation(Phase::Completing, 1_000, Some(500));
    let completed = rotation(Phase::Completed, 1_000, Some(2_000));
    let stale = Issuance { facts: facts(Some(1), &[1]), rotation: Some(prepared.clone()) };
    for now in [&prepared, &completing, &completed] {
        assert_eq!(generation(&stale, &[&stale], now), Generation::Unknown, "{now:?}");
    }
    // Others tell whether it was issued before the start or after *complete*.
    for (signer, told) in [(1, Generation::Current), (2, Generation::Previous)] {
        let later =
            Issuance { facts: facts(Some(signer), &[2]), rotation: Some(completed.clone()) };
        assert_eq!(generation(&stale, &[&stale, &later], &completed), told);
    }
}

#[test]
fn cred_05_what_was_issued_to_a_rotated_cluster_is_unknown_while_ske_reports_no_rotation() {
    let mut subject = cluster("web", Phase::Never);
    let never = std::mem::replace(&mut subject.rotation, rotation(Phase::Prepared, 1_000, None));
    let issued = |before: &Rotation, authorities: &[usize]| {
        let facts = facts(Some(2), authorities);
        access(&subject, 1, "a", Some(Issuance { facts, rotation: Some(before.clone()) }))
    };
    let before = issued(&never, &[1]);
    let since = issued(&subject.rotation, &[1, 2]);
    subject.rotation = never;
    for (access, told) in [(before, Verdict::Works), (since, Verdict::CannotTell)] {
        let credentials = Credentials { accesses: vec![access], ..Credentials::default() };
        assert_eq!(verdicts(&credentials, &subject), [told]);
    }
}
