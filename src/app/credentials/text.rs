//! Texts about credentials: their verdicts, and the reasons.

use jiff::Timestamp;

use crate::app::texts::texts;
use crate::domain::cluster::Cluster;
use crate::domain::credential::{
    Bundle, Generation, KnownCredential, SignIn, StaleCertificate, StaleToken, Trial, TrialSummary,
    Verdict, VerdictReason,
};
use crate::domain::rotation::{Phase, Rotation};

texts! {
    TITLE_MACHINE = "KUBECONFIGS ON THIS MACHINE";
    TITLE_CLUSTER = "IN THE CLUSTER";
    TITLE_ROTATES = "WHAT ROTATES";
    COLUMN_CREDENTIAL = "CREDENTIAL";
    COLUMN_PLACE = "FILE AND CONTEXT";
    COLUMN_ENDS = "ENDS";
    COLUMN_STATUS = "STATUS";
    COLUMN_TRIED = "TRIED";
    COLUMN_WHY = "WHY";
    COLUMN_NOW = "NOW";
    ON_START = "ON START";
    ON_COMPLETE = "ON COMPLETE";
    READING = "reading the kubeconfig files";
    NONE_FOUND = "none found for this cluster";
    NONE_FOUND_READ = "none found for this cluster among what could be read";
    files_not_read(why) = "the kubeconfig files were not read: {why} (r tries again)";
    unreadable_file(path, why) = "{path}: not read: {why}";
    wide_mode(path, mode) = "{path}: mode {mode} gives other users access; chmod 600";
    contradicted(location, tried) = "{location}: {tried}, contrary to the verdict; report this";
    because(tried, why) = "{tried} ({why})";
    tried_because(location, tried, why) = "{location}: {tried}: {why}";
    stale_login(command) =
        "the stackit CLI may use a certificate cached before complete for up to 30m; clear its login cache (all clusters): {command}";
    NOT_LISTED = "Kubeconfigs on other machines are visible neither to skeys nor to SKE.";
    PASTE = "Paste a token to check it; only its header and claims are read.";
    NO_TOKEN = "The pasted text is not a token.";
    pasted(subject, status, why) = "pasted token{subject}: {status}; {why}";
    of_subject(subject) = " of {subject}";
    PODS_NOT_JUDGED = "pods are judged when all nodes are replaced (PREPARED)";
    PODS_UNKNOWN = "unknown of some pods whether they have the new certificate authority";
    NO_OLD_TOKEN = "no service-account token from before the start";
    PHASE_UNKNOWN = "phase unknown: what stops working cannot be told";
    NO_POD_WITH_OLD_AUTHORITY = "no pod that trusts only the old CA";
    NO_ROTATION = "nothing stops working until a rotation starts";
    not_seen(why) = "not checked: {why}";
    NOT_CHECKED = "not checked";
    POD = "pod";
    CLIENT = "client of the checklist";
    PLACE_LOGIN_CACHE = "login cache of the stackit CLI";
    PLACE_ROTATION = "rotation";
    PLACE_FILES = "kubeconfig files";
    PLACE_RECORDS = "records of skeys";
    PLACE_CHECKLIST = "checklist";
    PLACE_CLUSTER = "in the cluster";
    PLACE_REQUESTS = "CertificateSigningRequests";
    PLACE_PODS = "pods";
    UNSTATED = "UNSTATED";
    report_title(cluster, phase, start) = "{cluster}: phase {phase}{start}";
    report_start(time) = ", started {time}";
    no_file_read(why) = "the kubeconfig files were not read: {why}";
    cluster_not_seen(why) = "the cluster itself was not checked: {why}";
    kind_not_seen(kind, why) = "{kind} not checked: {why}";

    EXPIRED = "expired";
    DEAD = "no longer works";
    BREAKS_ON_START = "BREAKS on start";
    BREAKS_ON_START_SHORT = "BREAKS on start";
    BREAKS_ON_COMPLETE = "BREAKS on complete";
    BREAKS_ON_COMPLETE_SHORT = "BREAKS";
    SURVIVES = "keeps working after complete";
    SURVIVES_SHORT = "keeps working";
    WORKS = "works until the next rotation is completed";
    WORKS_SHORT = "works";
    CANNOT_TELL = "unknown";

    SIGNED_NOW = "signed by the current client CA";
    SIGNED_BEFORE = "signed by an older client CA";
    SIGNED_OTHERWISE =
        "not signed by the current client CA: stops working on complete, or already has";
    SIGNER_ENDED = "signed by a client CA that an earlier rotation removed";
    SIGNER_UNKNOWN = "unknown which client CA signed it; comparing needs a new kubeconfig";
    TRUSTS_NEWEST = "trusts the cluster CA that stays valid";
    TRUSTS_NEWEST_ALONE =
        "trusts only the new CA; the API server uses the old one until complete";
    TRUSTS_OLDER = "trusts only the old cluster CA";
    TRUSTS_FOREIGN = "trusts no CA of this cluster";
    TRUST_UNKNOWN = "unknown which CA it trusts; comparing needs a new kubeconfig";
    TRUSTS_SERVER_CERTIFICATE = "trusts a server certificate, not a CA; it fails when the server gets another one";
    TRUSTS_SYSTEM = "names no CA; the system's CAs decide";
    OTHER_SERVER_NAME = "checks the server certificate for another name (tls-server-name)";
    NOT_VERIFIED = "does not verify the server certificate";
    STATIC_TOKEN = "static token; start disables it";
    static_token_of_version(version) = "static token, which Kubernetes {version} no longer issues";
    TOKEN_SIGNED_NOW =
        "signed with the current signing key; not checked whether its service account exists";
    TOKEN_SIGNED_BEFORE = "signed with the old signing key";
    TOKEN_KEY_UNKNOWN = "unknown which key signed it; checking needs an observed cluster";
    TOKEN_KEY_GONE = "signed with a key that the cluster no longer accepts";
    token_audience(audiences) = "its audience {audiences} may not be the API server's";
    other_token(issuer) = "token issued by {issuer}; the rotation does not invalidate it";
    STACKIT_PLUGIN_IDP = "the stackit CLI signs in through the identity provider";
    STACKIT_PLUGIN = "the stackit CLI signs in; it may use a cached certificate for up to 30m";
    other_plugin(command) = "{command} signs in; whether it works does not depend on the rotation";
    other_sign_in(what) = "{what}; cannot be judged";
    NO_SIGN_IN = "has no credential";
    cannot_read(field) = "cannot be read: {field}";
    unusable(why) = "kubectl cannot use it: {why}";
    other_file(file) = "kubectl reads its cluster or user from {file}: renew it there";
    NEWER_THAN_KNOWN =
        "trusts a CA that is new to skeys; a rotation may have started";
    other_server(server) = "its server is {server}, not the one that SKE reports";
    MAY_BE_ELSEWHERE = "only the server name matches; another project may have a cluster of that name";
    FILE_NOT_READ = "skeys saved it there; the file has not been read";
    DATED_AFTER = "dated after the start; dates alone prove nothing";
    DATED_BEFORE = "dated before the start; dates alone prove nothing";
    ROTATION_OUTDATED = "SKE reports an older state of the rotation than a kubeconfig proves";
    missing_program(program) = "{program} is not in PATH";
    ROTATION_UNCLEAR = "the phase or the start of the rotation is unknown";
    NOT_RECORDED = "skeys issued it, but its certificates are not on record";
    ITS_RECORD = "as recorded when skeys issued it";
    NO_REGION = "names no region: which cluster it is for depends on the stackit CLI's configuration";
    NOT_IN_FILE = "as recorded when skeys issued it; unknown whether it was kept";

    token(name, account) = "service-account token {name} ({account})";
    TOKEN_BREAKS = "stops working on complete";
    TOKEN_MAY_BREAK = "may stop working on complete: unknown whether it was signed with the new key";
    TOKEN_REPLACED = "a newer one exists";
    TOKEN_NOT_REPLACED = "it is not recreated";
    TOKEN_REPLACED_UNKNOWN = "unknown whether a newer one exists";
    token_used(day) = "last used {day}";
    TOKEN_USED_SINCE = "on the day of the start or later";
    TOKEN_NOT_USED = "no use recorded";
    stale_certificate(request, requester, verdict) =
        "client certificate of CertificateSigningRequest {request}, requested by {requester}: {verdict}";
    CERTIFICATE_MAY_BREAK = "unknown which client CA signed it; it may stop working on complete";
    REQUESTS_NOT_SEEN = "CertificateSigningRequests are not read";
    old_authority(pods) = "{pods}: started before the namespace got the new certificate authority; restart before complete";

    FORGET = "Forget";
    FORGET_ELSEWHERE = "Forget: open the credentials tab";
    FORGET_NOTHING = "Forget: no kubeconfig is listed";
    forget_in_file(context, path) = "Forget: context {context} is in {path}; remove it there";
    FORGET_TITLE = "Forget this kubeconfig?";
    forget_subject(cluster, location) = "{cluster}: {location}";
    KEEP_LABEL = "keep";
    FORGET_LABEL = "forget";
    KEEP_EFFECT = "it stays listed, and is checked before start and complete";
    FORGET_EXPIRED = "it is no longer listed; it has expired";
    FORGET_DEAD = "it is no longer listed; it does not work any more";
    FORGET_LOGIN =
        "it is no longer listed, but not revoked: whoever may sign in to the cluster can still use it";
    forget_before_complete(time) =
        "it is no longer listed, but not revoked: it works until this rotation is completed or it expires, {time}";
    forget_until(time) =
        "it is no longer listed, but not revoked: it works until it expires, {time}, or a later rotation is completed";
    forget_unclear(time) =
        "it is no longer listed, but not revoked: it may work until it expires, {time}";
    forgotten(location) = "Forgotten: {location}. It was not revoked.";
    log_forgotten(kind, location) = "{kind}, {location}: no longer listed, not revoked";

    predicted_to_survive(all, count) = "{all} predicted to keep working: {count} accepted";
    predicted_to_break(all, count) = "{all} predicted to break: {count} refused";
    predicted_open(count) = "{count} inconclusive";
    predicted_replaced(count) = "{count} replaced since, not compared";
    NOTHING_TRIED = "no credential on this machine to try";
    proof_differs(summary, locations) = "{summary}; differs from the verdict: {locations}";
    of_cluster(cluster, text) = "{cluster}: {text}";
    PROOF_HINT = "Report this with `skeys credentials CLUSTER --try -o json`, which holds no secret";
    tried_accepted(why) = "{why}; tried: accepted";
    tried_refused(why, reason) = "{why}; tried: refused ({reason})";
    tried_no_answer(why, reason) = "{why}; tried without an answer ({reason})";
    not_tried(why, reason) = "{why}; not tried: {reason}";

    team_message(cluster, location, start) =
        "Cluster {cluster} ({location}): credentials rotation in progress{start}. When the rotation is completed, kubeconfigs, tokens and pinned certificate authorities from before the start stop working. Please renew yours now, including those in CI, monitoring and backup, and reply when done.";
    team_start(time) = " since {time}";
    team_token(name, account) = " Token in use: Secret {name} of service account {account}.";
    last_start(time) = "last rotation: started {time}";
    this_start(time) = "this rotation: started {time}";
    last_end(started, time) = "{started}, completed {time}";
    NEVER_ROTATED = "never rotated";
    START_NOT_REPORTED = "last rotation: SKE does not report its start";
    KUBECONFIGS = "kubeconfigs";
    AUTHORITIES = "certificate authorities";
    SIGNING_KEY = "token signing key";
    ENCRYPTION_KEY = "etcd encryption key";
    NOW_KUBECONFIGS = "valid until they expire";
    NOW_ONE = "one";
    NOW_BOTH = "old and new";
    NOW_ADDING = "a new one is being added";
    NOW_REMOVING = "the old one is being removed";
    NOW_REPLACING = "being replaced";
    NOW_NEW = "the new one";
    UNCHANGED = "no change";
    START_KUBECONFIGS = "earlier ones stay valid";
    START_OLD_KUBECONFIGS = "earlier ones stay valid; static tokens stop working";
    START_NEW = "a new one is added";
    START_ENCRYPTION = "a new one is added; Secrets are encrypted with it";
    COMPLETE_KUBECONFIGS = "those from before the start stop working";
    COMPLETE_AUTHORITIES = "the old ones are removed (cluster and client)";
    COMPLETE_SIGNING = "the old one and its tokens stop working";
    COMPLETE_ENCRYPTION = "the old one is removed";
    ENDS_NEVER = "—";
    ended(duration) = "{duration} ago";
    ends_in(duration) = "in {duration}";
}

/// A verdict as a clause, and its short form.
pub fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Expired => (EXPIRED, EXPIRED),
        Verdict::Dead => (DEAD, DEAD),
        Verdict::BreaksOnStart => (BREAKS_ON_START, BREAKS_ON_START_SHORT),
        Verdict::BreaksOnComplete => (BREAKS_ON_COMPLETE, BREAKS_ON_COMPLETE_SHORT),
        Verdict::SurvivesComplete => (SURVIVES, SURVIVES_SHORT),
        Verdict::Works => (WORKS, WORKS_SHORT),
        Verdict::CannotTell => (CANNOT_TELL, CANNOT_TELL),
    }
}

/// The reasons as clauses.
pub fn reasons(all: &[VerdictReason]) -> String {
    if all.is_empty() {
        return ITS_RECORD.to_owned();
    }
    all.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The verdict on a pasted token, with reasons.
pub fn pasted_token(way: &SignIn, judged: Verdict, reasons: &[VerdictReason]) -> String {
    let subject = if let SignIn::ServiceAccountToken(facts) | SignIn::OtherToken(facts) = way {
        of_subject(&facts.subject)
    } else {
        String::new()
    };
    let (status, _) = verdict(judged);
    pasted(subject, status, self::reasons(reasons))
}

/// The reasons, and the trial result.
pub fn reasons_and_trial(all: &[VerdictReason], trial: Option<&Trial>) -> String {
    let why = reasons(all);
    match trial {
        None => why,
        Some(Trial::Accepted) => tried_accepted(why),
        Some(Trial::Refused(reason)) => tried_refused(why, reason),
        Some(Trial::NoAnswer(reason)) => tried_no_answer(why, reason),
        Some(Trial::NotTried(reason)) => not_tried(why, reason),
    }
}

/// What forgetting a credential means; `time` formats a timestamp.
pub fn forget_effect(known: &KnownCredential, time: impl Fn(Timestamp) -> String) -> String {
    match (known.verdict, known.expires.map(time)) {
        (Verdict::Expired, _) => FORGET_EXPIRED.to_owned(),
        (Verdict::Dead, _) => FORGET_DEAD.to_owned(),
        (_, None) => FORGET_LOGIN.to_owned(),
        (Verdict::BreaksOnComplete, Some(time)) => forget_before_complete(time),
        (Verdict::SurvivesComplete | Verdict::Works, Some(time)) => forget_until(time),
        (Verdict::BreaksOnStart | Verdict::CannotTell, Some(time)) => forget_unclear(time),
    }
}

/// Trial results compared with predictions, as clauses; `replaced`: credentials replaced since the prediction.
pub fn proof(proof: &TrialSummary, replaced: usize) -> String {
    let TrialSummary { to_survive, survived, to_break, broke, open } = *proof;
    let mut clauses = Vec::new();
    if to_survive > 0 {
        clauses.push(predicted_to_survive(to_survive, survived));
    }
    if to_break > 0 {
        clauses.push(predicted_to_break(to_break, broke));
    }
    if open > 0 {
        clauses.push(predicted_open(open));
    }
    if replaced > 0 {
        clauses.push(predicted_replaced(replaced));
    }
    if clauses.is_empty() { NOTHING_TRIED.to_owned() } else { clauses.join("; ") }
}

/// A message for colleagues: what to know and do before a rotation is completed.
pub fn for_the_team(cluster: &Cluster, project: &str, tokens: &[StaleToken]) -> String {
    let location = format!("project {project}, {}", cluster.id.region());
    let start = cluster.rotation.start().map(team_start).unwrap_or_default();
    let mut text = team_message(&cluster.id.name, location, start);
    for token in tokens.iter().filter(|token| token.used_since_start) {
        let name = format!("{}/{}", token.namespace, token.name);
        text.push_str(&team_token(name, &token.account));
    }
    text
}

fn one(reasons: &VerdictReason) -> String {
    let text = match reasons {
        VerdictReason::Expired => EXPIRED,
        VerdictReason::Signer(Generation::Current) => SIGNED_NOW,
        VerdictReason::Signer(Generation::Previous) => SIGNED_BEFORE,
        VerdictReason::Signer(Generation::NotCurrent) => SIGNED_OTHERWISE,
        VerdictReason::Signer(Generation::Ended) => SIGNER_ENDED,
        VerdictReason::Signer(Generation::Unknown) => SIGNER_UNKNOWN,
        VerdictReason::Bundle(Bundle::Newest) => TRUSTS_NEWEST,
        VerdictReason::Bundle(Bundle::NewestAlone) => TRUSTS_NEWEST_ALONE,
        VerdictReason::Bundle(Bundle::Older) => TRUSTS_OLDER,
        VerdictReason::Bundle(Bundle::Foreign) => TRUSTS_FOREIGN,
        VerdictReason::Bundle(Bundle::Unknown) => TRUST_UNKNOWN,
        VerdictReason::SystemAuthorities => TRUSTS_SYSTEM,
        VerdictReason::ServerCertificate => TRUSTS_SERVER_CERTIFICATE,
        VerdictReason::OtherServerName => OTHER_SERVER_NAME,
        VerdictReason::NotVerified => NOT_VERIFIED,
        VerdictReason::StaticToken => STATIC_TOKEN,
        VerdictReason::StaticTokenOfVersion(version) => return static_token_of_version(version),
        VerdictReason::TokenKey(Generation::Current) => TOKEN_SIGNED_NOW,
        VerdictReason::TokenKey(
            Generation::Previous | Generation::Ended | Generation::NotCurrent,
        ) => TOKEN_SIGNED_BEFORE,
        VerdictReason::TokenKey(Generation::Unknown) => TOKEN_KEY_UNKNOWN,
        VerdictReason::TokenKeyGone => TOKEN_KEY_GONE,
        VerdictReason::TokenAudience(all) => return token_audience(all.join(", ")),
        VerdictReason::OtherToken(issuer) => return other_token(issuer),
        VerdictReason::StackitPlugin { is_idp: false } => STACKIT_PLUGIN,
        VerdictReason::StackitPlugin { is_idp: true } => STACKIT_PLUGIN_IDP,
        VerdictReason::OtherPlugin(command) => return other_plugin(command),
        VerdictReason::OtherSignIn(what) => return other_sign_in(what),
        VerdictReason::NoSignIn => NO_SIGN_IN,
        VerdictReason::Unreadable(field) => return cannot_read(field),
        VerdictReason::Dates { after_start: true } => DATED_AFTER,
        VerdictReason::Dates { after_start: false } => DATED_BEFORE,
        VerdictReason::RotationUnclear => ROTATION_UNCLEAR,
        VerdictReason::RotationOutdated => ROTATION_OUTDATED,
        VerdictReason::MissingProgram(program) => return missing_program(program),
        VerdictReason::NotRecorded => NOT_RECORDED,
        VerdictReason::NoRegion => NO_REGION,
        VerdictReason::Unusable(why) => return unusable(why),
        VerdictReason::OtherFile(file) => return other_file(file),
        VerdictReason::NewerThanKnown => NEWER_THAN_KNOWN,
        VerdictReason::OtherServer(server) => return other_server(server),
        VerdictReason::MayBeElsewhere => MAY_BE_ELSEWHERE,
        VerdictReason::FileNotRead => FILE_NOT_READ,
        VerdictReason::NotInFile => NOT_IN_FILE,
    };
    text.to_owned()
}

/// A service-account token and its fate.
pub fn stale_token(stale: &StaleToken) -> String {
    let name = token(format_args!("{}/{}", stale.namespace, stale.name), &stale.account);
    let breaks = match stale.generation {
        Generation::Unknown => TOKEN_MAY_BREAK,
        Generation::Current | Generation::Previous | Generation::Ended | Generation::NotCurrent => {
            TOKEN_BREAKS
        }
    };
    let replaced = match stale.is_replaced {
        Some(true) => TOKEN_REPLACED,
        Some(false) => TOKEN_NOT_REPLACED,
        None => TOKEN_REPLACED_UNKNOWN,
    };
    let mut used = stale.last_used.map_or_else(|| TOKEN_NOT_USED.to_owned(), token_used);
    if stale.used_since_start {
        used = format!("{used}, {TOKEN_USED_SINCE}");
    }
    format!("{name}: {breaks}; {replaced}; {used}")
}

/// A client certificate signed by the cluster, and its fate.
pub fn signed_certificate(stale: &StaleCertificate) -> String {
    let breaks = match stale.generation {
        Generation::Previous | Generation::Ended | Generation::NotCurrent => TOKEN_BREAKS,
        Generation::Unknown | Generation::Current => CERTIFICATE_MAY_BREAK,
    };
    stale_certificate(&stale.request, &stale.requester, breaks)
}

/// What rotates, what is in use, and the effect of each step; `None` in an unknown phase.
pub fn what_rotates(cluster: &Cluster) -> Option<WhatRotates> {
    let (version, phase) = (&cluster.version, &cluster.rotation.phase);
    let is_early = version.drops_encryption_key_early();
    let complete_encryption = if is_early { UNCHANGED } else { COMPLETE_ENCRYPTION };
    let now = match phase {
        Phase::Unknown(_) => return None,
        Phase::Never | Phase::Completed => NOW_ONE,
        Phase::Preparing => NOW_ADDING,
        Phase::Prepared => NOW_BOTH,
        Phase::Completing => NOW_REMOVING,
    };
    let now_encryption = if is_early && *phase == Phase::Preparing {
        NOW_REPLACING
    } else if is_early && matches!(phase, Phase::Prepared | Phase::Completing) {
        NOW_NEW
    } else {
        now
    };
    let start_kubeconfigs =
        if version.may_have_static_tokens() { START_OLD_KUBECONFIGS } else { START_KUBECONFIGS };
    let row = |name, now, start, complete| RotatedKind { name, now, start, complete };
    Some(WhatRotates {
        is_started: phase.is_open(),
        kinds: [
            row(KUBECONFIGS, NOW_KUBECONFIGS, start_kubeconfigs, COMPLETE_KUBECONFIGS),
            row(AUTHORITIES, now, START_NEW, COMPLETE_AUTHORITIES),
            row(SIGNING_KEY, now, START_NEW, COMPLETE_SIGNING),
            row(ENCRYPTION_KEY, now_encryption, START_ENCRYPTION, complete_encryption),
        ],
    })
}

/// What rotates, and whether *start* has already happened.
pub struct WhatRotates {
    pub is_started: bool,
    pub kinds: [RotatedKind; 4],
}

/// One kind of rotated credential: what is in use, and the effect of each step.
pub struct RotatedKind {
    pub name: &'static str,
    pub now: &'static str,
    pub start: &'static str,
    pub complete: &'static str,
}

/// Why some pods are not judged.
pub fn pods_not_judged(phase: &Phase) -> &'static str {
    if *phase == Phase::Preparing { PODS_NOT_JUDGED } else { PODS_UNKNOWN }
}

/// When the credentials were last rotated; `time` formats a timestamp.
pub fn last_rotated(rotation: &Rotation, time: impl Fn(Timestamp) -> String) -> String {
    let is_open = rotation.phase.is_open();
    let Some(start) = (if is_open { rotation.start() } else { rotation.initiated }) else {
        let is_never = rotation.phase == Phase::Never;
        return if is_never { NEVER_ROTATED } else { START_NOT_REPORTED }.to_owned();
    };
    let start = time(start);
    let started = if is_open { this_start(start) } else { last_start(start) };
    match rotation.completed.filter(|_| rotation.phase == Phase::Completed) {
        Some(end) => last_end(started, time(end)),
        None => started,
    }
}

#[cfg(test)]
mod tests {
    use crate::app::credentials::text::for_the_team;
    use crate::domain::credential::{Generation, StaleToken};
    use crate::domain::fixtures::cluster;
    use crate::domain::rotation::Phase;

    #[test]
    fn the_message_names_the_cluster_the_start_and_what_is_known_inside() {
        let token = StaleToken {
            namespace: "ci".into(),
            name: "robot-token".into(),
            account: "robot".into(),
            generation: Generation::Previous,
            is_replaced: Some(false),
            last_used: None,
            used_since_start: true,
        };
        let text = for_the_team(&cluster("shop", Phase::Prepared), "Shop", &[token]);
        assert!(text.starts_with("Cluster shop (project Shop, eu01)"), "{text}");
        assert!(text.contains("in progress since 2026-11-24T11:02:11Z"), "{text}");
        assert!(text.ends_with("Token in use: Secret ci/robot-token of service account robot."));
    }
}
