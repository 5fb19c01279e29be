//! Token sources against a token endpoint on loopback.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;

use crate::clients::auth::exchange::DEFAULT_ENDPOINT;
use crate::clients::auth::key::KeyText;
use crate::clients::auth::service_account_key::KeyPlace;
use crate::clients::auth::{
    AuthSettings, ProgramOutput, SourceConfig, TokenProgram, TokenSource, access_token, choose,
    service_account_key, token_file,
};
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::scripted::{JSON, Server, answer};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{ClusterId, ProjectId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::now;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;
use crate::fuzz::{changed_text, fuzz};

fn jwt(claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(&serde_json::json!({"alg": "none"})), part(claims))
}

fn granted(token: &str) -> String {
    let body = serde_json::json!({"access_token": token, "expires_in": 3600}).to_string();
    answer("200 OK", JSON, &body)
}

fn key_json(endpoint: Option<&str>) -> serde_json::Value {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    serde_json::json!({"id": "k", "validUntil": "2026-12-01T00:00:00Z", "credentials": {
        "kid": "kid-1", "iss": "ops-sa@sa.stackit.cloud", "sub": "s", "aud": "a",
        "privateKey": pair.serialize_pem(), "tokenEndpoint": endpoint}})
}

fn from_config(config: SourceConfig) -> Result<(TokenSource, Http, Clock), Failure> {
    let clock = Clock::manual(now());
    let http = Http::new(clock.clone(), None).unwrap();
    let source = TokenSource::new(config, http.clone(), clock.clone())?;
    Ok((source, http, clock))
}

fn key_source(key: KeyText, endpoint: Option<String>, default_endpoint: &str) -> SourceConfig {
    let default_endpoint = default_endpoint.to_owned();
    service_account_key::source(KeyPlace { key, private_key: None, endpoint, default_endpoint })
}

fn inline(key: &serde_json::Value, token_url: Option<String>) -> SourceConfig {
    let key = KeyText::Inline(Secret::new(key.to_string()));
    key_source(key, token_url, DEFAULT_ENDPOINT)
}

fn fixed(token: &str) -> SourceConfig {
    access_token::source(Secret::new(token.into()), "STACKIT_ACCESS_TOKEN")
}

fn refusal(config: SourceConfig) -> Failure {
    from_config(config).err().unwrap()
}

#[tokio::test]
async fn auth_02_an_expired_token_is_reported_with_its_expiry() {
    let exp = now().as_second() - 60;
    let token = jwt(&serde_json::json!({"email": "ops-sa@sa.stackit.cloud", "exp": exp}));
    let (source, ..) = from_config(fixed(&token)).unwrap();
    let failure = source.token().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
    let ended = now().saturating_sub(jiff::SignedDuration::from_mins(1)).unwrap();
    let ended = ended.strftime("%Y-%m-%d %H:%M:%S UTC");
    assert_eq!(failure.message, format!("the token of ops-sa@sa.stackit.cloud expired at {ended}"));
    let remedy = "restart skeys with a new token in STACKIT_ACCESS_TOKEN";
    assert_eq!(failure.hint.as_deref(), Some(remedy));
}

#[tokio::test]
async fn auth_04_a_rejected_token_is_reported_with_its_account() {
    let known = jwt(&serde_json::json!({"email": "ops-sa@sa.stackit.cloud"}));
    for (token, expected) in [
        (known.as_str(), "the token of ops-sa@sa.stackit.cloud was rejected"),
        ("opaque", "the token was rejected"),
    ] {
        let (source, ..) = from_config(fixed(token)).unwrap();
        let failure = source.renew(&Secret::new(token.to_owned())).await.unwrap_err();
        assert_eq!(failure.message, expected);
        assert!(failure.to_string().contains("rejected. Restart skeys with a new token in"));
    }
    let exp = now().as_second() - 60;
    let (source, ..) = from_config(fixed(&jwt(&serde_json::json!({"exp": exp})))).unwrap();
    let ended = source.token().await.unwrap_err();
    assert!(ended.message.starts_with("the token expired at "), "{}", ended.message);
}

#[tokio::test]
async fn auth_03_a_refused_token_is_renewed_for_every_api() {
    let token_endpoint = Server::start(vec![granted("token-1"), granted("token-2")]).await;
    let config = inline(&key_json(None), Some(token_endpoint.base.clone()));
    let (source, http, _) = from_config(config).unwrap();
    let refused = answer("401 Unauthorized", JSON, r#"{"message":"expired"}"#);
    let named = answer("200 OK", JSON, r#"{"name":"shop"}"#);
    let server = Server::start(vec![refused, named]).await;
    let projects = ProjectsClient::new(&server.base, http, source).unwrap();
    assert_eq!(projects.name(&ProjectId::new("p")).await.unwrap(), "shop");
    assert!(server.requests.lock().unwrap()[1].contains("Bearer token-2"));
}

#[tokio::test]
async fn every_failure_names_its_source_what_to_do_and_what_else_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let also_set = |mut config: SourceConfig| {
        config.unused.push("the stackit CLI".to_owned());
        config
    };
    let expired = jwt(&serde_json::json!({"exp": 1}));
    let key = key_json(Some("http://127.0.0.1:1/token"));
    let file = folder.path().join("token");
    std::fs::write(&file, "opaque").unwrap();
    let (from_file, ..) = from_config(also_set(token_file::source(file.clone()))).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (fixed, ..) = from_config(also_set(fixed(&expired))).unwrap();
    let (refused, ..) = from_config(also_set(inline(&key, None))).unwrap();
    for (failure, source) in [
        (refusal(also_set(token_file::source(missing.clone()))), "the token in "),
        (from_file.token().await.unwrap_err(), "the token in "),
        (fixed.token().await.unwrap_err(), "the token of STACKIT_ACCESS_TOKEN"),
        (refused.token().await.unwrap_err(), "the service-account key"),
        (refused.renew(&Secret::new("t".to_owned())).await.unwrap_err(), "the service-account key"),
    ] {
        let text = failure.to_string();
        assert!(text.starts_with(&format!("could not sign in with {source}")), "{text}");
        let (_, remedy) = text.split_once(". ").unwrap();
        let remedy = remedy.strip_suffix(" (also set, not used: the stackit CLI)").unwrap();
        assert!(!remedy.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn an_opaque_token_has_an_unknown_identity_and_works() {
    let (source, ..) = from_config(fixed(" opaque \n")).unwrap();
    assert_eq!(source.token().await.unwrap().expose(), "opaque");
    let identity = source.identity();
    assert_eq!((&*identity.who, identity.expires, identity.renews), ("?", None, false));
}

#[tokio::test]
async fn a_key_is_exchanged_as_rs512_and_renewed_a_minute_before_the_end() {
    let server = Server::start(vec![granted("t1"), granted("t2")]).await;
    let (source, _, clock) =
        from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
    assert_eq!(source.token().await.unwrap().expose(), "t1");
    clock.turn(Duration::from_secs(3_539));
    assert_eq!(source.token().await.unwrap().expose(), "t1");
    clock.turn(Duration::from_secs(1));
    assert_eq!(source.token().await.unwrap().expose(), "t2");
    assert_eq!(server.count(), 2);
    let request = server.requests.lock().unwrap()[0].clone();
    let (form, assertion) = request.rsplit_once("&assertion=").unwrap();
    assert!(form.ends_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
    let header = jsonwebtoken::decode_header(assertion).unwrap();
    assert_eq!(
        (header.alg, header.kid.as_deref()),
        (jsonwebtoken::Algorithm::RS512, Some("kid-1"))
    );
    let identity = source.identity();
    assert_eq!((&*identity.who, identity.renews), ("ops-sa@sa.stackit.cloud", true));
    assert!(source.notes().iter().any(|note| note.contains("key ends at 2026-12-01")));
}

#[tokio::test]
async fn auth_11_a_fifo_is_read_once_and_a_file_that_hangs_has_a_time_limit() {
    let make_fifo = |path: &std::path::Path| {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let (fifo, file) = (folder.path().join("fifo"), folder.path().join("token"));
    make_fifo(&fifo);
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::write(fifo, "one\n")
    });
    let (source, ..) = from_config(token_file::source(fifo)).unwrap();
    writer.join().unwrap().unwrap();
    for _ in 0..2 {
        assert_eq!(source.token().await.unwrap().expose(), "one");
    }
    std::fs::write(&file, "one\n").unwrap();
    let (source, _, clock) = from_config(token_file::source(file.clone())).unwrap();
    std::fs::remove_file(&file).unwrap();
    make_fifo(&file);
    let turn = async {
        tokio::task::yield_now().await;
        clock.turn(Duration::from_secs(10));
    };
    let (token, ()) = futures_util::join!(source.token(), turn);
    let failure = token.unwrap_err();
    assert_eq!(failure.message, "could not read the token file: no answer within 10 s");
    assert_eq!(source.token().await.unwrap_err(), failure, "no second thread waits for it");
    // The blocked reader thread ends once the FIFO has a writer.
    drop(std::fs::File::create(&file).unwrap());
}

#[tokio::test]
async fn auth_03_fifty_reads_share_one_renewal() {
    let endpoint = Server::start(vec![granted("t1"), granted("t2"), granted("t3")]).await;
    let (source, ..) = from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
    let first = source.token().await.unwrap();
    let renewals = (0..50).map(|_| {
        let (source, first) = (source.clone(), first.clone());
        tokio::spawn(async move { source.renew(&first).await.unwrap() })
    });
    for renewal in renewals.collect::<Vec<_>>() {
        assert_eq!(renewal.await.unwrap().expose(), "t2");
    }
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test]
async fn auth_04_a_refused_fresh_token_is_renewed_once_then_signed_out() {
    let endpoint = Server::start(vec![granted("t1"), granted("t2"), granted("t3")]).await;
    let api = Server::start(vec![answer("401 Unauthorized", "", "{}")]).await;
    let (source, http, _) =
        from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
    let client = SkeClient::new(&api.base, http, source).unwrap();
    let scope = ClusterId::new("p", "eu01", "x").scope;
    assert_eq!(client.list(&scope).await.unwrap_err().kind, FailureKind::SignedOut);
    assert_eq!((endpoint.count(), api.count()), (2, 2));
    assert_eq!(client.list(&scope).await.unwrap_err().kind, FailureKind::SignedOut);
    assert_eq!((endpoint.count(), api.count()), (2, 3));
}

#[tokio::test]
async fn auth_05_a_key_its_endpoint_rejects_is_tried_at_the_default_once() {
    let body = r#"{"error":{"code":400,"message":"Key with kid kid-1 was not found","status":"Bad Request"}}"#;
    let own = Server::start(vec![answer("400 Bad Request", JSON, body)]).await;
    let default = Server::start(vec![granted("t1"), granted("t2")]).await;
    let clock = Clock::manual(now());
    let http = Http::new(clock.clone(), None).unwrap();
    let key = KeyText::Inline(Secret::new(key_json(Some(&own.base)).to_string()));
    let config = key_source(key, None, &default.base);
    let source = TokenSource::new(config, http, clock.clone()).unwrap();
    assert_eq!(source.token().await.unwrap().expose(), "t1");
    assert!(source.notes().iter().any(|note| note.contains("does not know the key")));
    clock.turn(Duration::from_hours(1));
    assert_eq!(source.token().await.unwrap().expose(), "t2");
    assert_eq!((own.count(), default.count()), (1, 2));
}

#[tokio::test]
async fn auth_06_a_failing_endpoint_does_not_end_a_token_that_still_works() {
    let down = answer("503 Unavailable", "", "");
    let server = Server::start(vec![granted("t1"), down]).await;
    let (source, _, clock) =
        from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
    source.token().await.unwrap();
    clock.turn(Duration::from_secs(3_550));
    assert_eq!(source.token().await.unwrap().expose(), "t1");
    assert!(source.notes().iter().any(|note| note.contains("ends within 5 minutes")));
    clock.turn(Duration::from_mins(1));
    assert_eq!(source.token().await.unwrap_err().kind, FailureKind::Server);
}

#[test]
fn auth_07_a_broken_key_is_reported_with_file_field_and_fix_without_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let key = KeyText::Path(path.clone());
        from_config(key_source(key, None, DEFAULT_ENDPOINT))
    };
    let mut wrong_pem = key_json(None);
    wrong_pem["credentials"]["privateKey"] = "canary-pem".into();
    let mut no_kid = key_json(None);
    no_kid["credentials"]["kid"] = "".into();
    let cases = [
        ("{\"canary\": canary", "not JSON at line 1"),
        (&*wrong_pem.to_string(), "credentials.privateKey is not an RSA private key"),
        (&*no_kid.to_string(), "credentials.kid is missing"),
    ];
    for (text, expected) in cases {
        let failure = read(text).err().unwrap();
        assert!(failure.message.contains("key.json") && failure.hint.is_some(), "{failure}");
        assert!(failure.message.contains(expected), "{failure}");
        assert!(!format!("{failure:?}").contains("canary"));
    }
    let (good, mode) = (key_json(None).to_string(), std::fs::Permissions::from_mode);
    std::fs::set_permissions(&path, mode(0o644)).unwrap();
    let notes = read(&good).unwrap().0.notes();
    assert!(notes.iter().any(|note| note.contains("mode 0644): chmod 600")), "{notes:?}");
    std::fs::set_permissions(&path, mode(0o600)).unwrap();
    assert!(!read(&good).unwrap().0.notes().iter().any(|note| note.contains("chmod")));
}

#[tokio::test]
async fn auth_08_clock_skew_is_reported_when_the_endpoint_rejects_a_key() {
    let date = httpdate::fmt_http_date((now() + Duration::from_mins(10)).into());
    let body = r#"{"error":{"code":400,"message":"invalid assertion","status":"Bad Request"}}"#;
    let server =
        Server::start(vec![answer("400 Bad Request", &format!("Date: {date}\r\n"), body)]).await;
    let (source, ..) = from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
    let failure = source.token().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
    assert!(failure.message.contains("invalid assertion"), "{failure}");
    assert!(failure.message.contains("clock is about 10 min behind the server's"), "{failure}");
}

#[tokio::test]
async fn auth_12_twenty_scopes_share_one_attempt_and_its_pause() {
    let dead = || answer("503 Service Unavailable", "", "upstream connect error");
    let server = Server::start(vec![dead(), dead(), granted("t1")]).await;
    let (source, _, clock) =
        from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
    let ask_all = || futures_util::future::join_all((0..20).map(|_| source.token()));
    for _ in 0..2 {
        for asked in ask_all().await {
            assert!(asked.unwrap_err().message.contains("503"));
        }
    }
    assert_eq!(server.count(), 1);
    clock.turn(Duration::from_secs(10));
    let refused = Secret::new("t0".to_owned());
    let renewals = (0..20).map(|_| source.renew(&refused));
    assert!(futures_util::future::join_all(renewals).await.iter().all(Result::is_err));
    assert_eq!(server.count(), 2);
    clock.turn(Duration::from_secs(10));
    assert!(ask_all().await.iter().all(Result::is_ok));
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn auth_13_a_token_that_ended_by_a_wrong_clock_is_told_with_how_wrong_it_is() {
    for (ahead, told) in [
        (Duration::from_hours(24), "by this machine's clock, which is about 1d ahead of SKE's"),
        (Duration::from_mins(30), "the token expired at 2026"),
    ] {
        let there = now() - ahead;
        let date = httpdate::fmt_http_date(there.into());
        let refused = answer("401 Unauthorized", &format!("Date: {date}\r\n"), "{}");
        let server = Server::start(vec![refused]).await;
        // Expired an hour ago by this clock.
        let exp = now().as_second() - 3_600;
        let token = jwt(&serde_json::json!({"exp": exp}));
        for config in [fixed(&token), cli(vec![token.clone()]).0] {
            let (source, http, _) = from_config(config).unwrap();
            let client = SkeClient::new(&server.base, http, source).unwrap();
            let failure = client.get(&ClusterId::new("p", "eu01", "a")).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::SignedOut);
            assert!(failure.message.contains(told), "{failure}");
            let names_clock = ahead > Duration::from_hours(1);
            assert_eq!(failure.message.contains("clock"), names_clock, "{failure}");
        }
        assert!(!server.requests.lock().unwrap()[0].to_lowercase().contains("bearer"));
    }
}

#[tokio::test]
async fn auth_13_a_token_that_ends_as_it_is_issued_says_nothing_of_the_clock() {
    let body = serde_json::json!({"access_token": "t1", "expires_in": 0}).to_string();
    for behind in [0, 5] {
        let there = now() - Duration::from_secs(behind);
        let date = format!("Date: {}\r\n", httpdate::fmt_http_date(there.into()));
        let endpoint = Server::start(vec![answer("200 OK", JSON, &body)]).await;
        let ske = Server::start(vec![answer("401 Unauthorized", &date, "{}")]).await;
        let (source, http, _) =
            from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
        let client = SkeClient::new(&ske.base, http, source).unwrap();
        let failure = client.get(&ClusterId::new("p", "eu01", "a")).await.unwrap_err();
        assert!(failure.message.contains("expired at"), "{failure}");
        assert!(!failure.to_string().contains("clock"), "{failure}");
    }
}

#[tokio::test]
async fn auth_18_what_is_no_refusal_says_nothing_against_the_key() {
    let page = "<html>maintenance</html>";
    let html = "Content-Type: text/html\r\n";
    for (status, headers, body) in [
        ("503 Service Unavailable", "", "upstream connect error"),
        ("429 Too Many Requests", JSON, "{}"),
        ("502 Bad Gateway", html, page),
        ("400 Bad Request", html, page),
        ("404 Not Found", html, page),
        ("404 Not Found", "", "default backend - 404"),
        ("404 Not Found", JSON, r#"{"message":"no Route matched with those values"}"#),
        ("200 OK", html, page),
        ("200 OK", JSON, r#"{"code":14,"message":"unavailable"}"#),
    ] {
        let server = Server::start(vec![answer(status, headers, body)]).await;
        let (source, ..) = from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
        let failure = source.token().await.unwrap_err();
        assert!(failure.is_transient(), "{failure:?}");
        let hint = failure.hint.unwrap();
        assert!(hint.starts_with("try again later") && !hint.contains("key"), "{hint}");
    }
    let refusal = r#"{"error":"invalid_client","error_description":"unknown key"}"#;
    let server = Server::start(vec![answer("401 Unauthorized", JSON, refusal)]).await;
    let (source, ..) = from_config(inline(&key_json(None), Some(server.base.clone()))).unwrap();
    let failure = source.token().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
    assert!(failure.hint.unwrap().contains("its key still exist"));
}

#[tokio::test]
async fn auth_19_a_token_is_taken_out_of_json() {
    let token = jwt(&serde_json::json!({"email": "ops@example.test"}));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    for text in [
        format!("\"{token}\"\n"),
        serde_json::json!({"access_token": token, "expires_in": 60}).to_string(),
        token.clone(),
    ] {
        std::fs::write(&path, text).unwrap();
        let (source, ..) = from_config(token_file::source(path.clone())).unwrap();
        assert_eq!(source.token().await.unwrap().expose(), token);
        assert_eq!(source.identity().who, "ops@example.test");
    }
    for text in ["{\"canary\": \"canary\"}", "{", "\"canary", "\"\"", "{\"access_token\": \"a b\"}"]
    {
        std::fs::write(&path, text).unwrap();
        let failure = refusal(token_file::source(path.clone()));
        assert!(!format!("{failure:?}").contains("canary"), "{failure}");
    }
}

#[test]
fn auth_20_a_token_that_is_not_valid_yet_and_a_key_that_is_not_active_are_noted() {
    let in_an_hour = now().as_second() + 3_600;
    for (begins, is_noted) in [(in_an_hour, true), (now().as_second() + 30, false)] {
        let token = jwt(&serde_json::json!({"email": "ops@example.test", "nbf": begins}));
        let notes = from_config(fixed(&token)).unwrap().0.notes();
        let noted = |note: &String| {
            note.starts_with("the token of ops@example.test is not valid before 2026-")
        };
        assert_eq!(notes.iter().any(noted), is_noted, "{notes:?}");
    }
    let mut key = key_json(None);
    for (active, is_noted) in [(false, true), (true, false)] {
        key["active"] = active.into();
        let notes = from_config(inline(&key, None)).unwrap().0.notes();
        assert_eq!(notes.iter().any(|note| note.contains("not active")), is_noted, "{notes:?}");
    }
}

#[test]
fn auth_20_a_file_that_others_can_write_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "opaque").unwrap();
    for (mode, word) in [
        (0o602, "is writable by other users (mode 0602): chmod 600 "),
        (0o620, "is writable by other users (mode 0620)"),
        (0o666, "is readable and writable by other users (mode 0666)"),
        (0o644, "is readable by other users (mode 0644)"),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let notes = from_config(token_file::source(path.clone())).unwrap().0.notes();
        assert!(notes.iter().any(|note| note.contains(word)), "{notes:?}");
    }
}

#[tokio::test]
async fn auth_10_tokens_that_no_header_can_carry_are_refused() {
    for (token, expected) in
        [("canary\nb", "line breaks"), ("canary\u{7}", "invalid in an HTTP header"), (" ", "empty")]
    {
        let failure = refusal(fixed(token));
        assert!(failure.message.contains(expected), "{failure}");
        assert!(!format!("{failure:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one\n").unwrap();
    let (source, ..) = from_config(token_file::source(path.clone())).unwrap();
    let first = source.token().await.unwrap();
    assert_eq!(source.renew(&first).await.unwrap_err().kind, FailureKind::SignedOut);
    std::fs::write(&path, "two\n").unwrap();
    assert_eq!(source.renew(&first).await.unwrap().expose(), "two");
    assert!(!format!("{source:?}").contains("two"));
}

#[tokio::test]
async fn auth_03_fifty_reads_with_an_expired_token_continue_after_one_renewal() {
    let api = axum::Router::new().fallback(|headers: http::HeaderMap| async move {
        let renewed = headers.get("authorization").is_some_and(|value| value == "Bearer t2");
        let status = if renewed { 200 } else { 401 };
        (http::StatusCode::from_u16(status).unwrap(), "{}")
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, api).await });
    let endpoint = Server::start(vec![granted("t1"), granted("t2"), granted("t3")]).await;
    let (source, http, _) =
        from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
    let client = SkeClient::new(&base, http, source).unwrap();
    let reads = (0..50).map(|number| {
        let client = client.clone();
        let scope = ClusterId::new(&format!("p{number}"), "eu01", "x").scope;
        tokio::spawn(async move { client.list(&scope).await })
    });
    for read in reads.collect::<Vec<_>>() {
        read.await.unwrap().unwrap();
    }
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test]
async fn a_post_answered_401_is_repeated_once_with_a_renewed_token() {
    let endpoint = Server::start(vec![granted("t1"), granted("t2")]).await;
    let accepted = answer("202 Accepted", "x-trace-id: t7\r\n", "{}");
    let api = Server::start(vec![answer("401 Unauthorized", "", "{}"), accepted]).await;
    let (source, http, _) =
        from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
    let client = SkeClient::new(&api.base, http, source).unwrap();
    let taken = client.rotate(&ClusterId::new("p", "eu01", "x"), Step::Start).await.unwrap();
    assert_eq!((taken.trace.as_deref(), endpoint.count(), api.count()), (Some("t7"), 2, 2));
}

#[tokio::test]
async fn a_post_without_a_token_is_not_sent() {
    let endpoint = Server::start(vec![answer("503 Unavailable", "", "")]).await;
    let api = Server::start(vec![answer("202 Accepted", "", "{}")]).await;
    let (source, http, _) =
        from_config(inline(&key_json(None), Some(endpoint.base.clone()))).unwrap();
    let client = SkeClient::new(&api.base, http, source).unwrap();
    let failure = client.rotate(&ClusterId::new("p", "eu01", "x"), Step::Start).await.unwrap_err();
    assert!(!failure.leaves_outcome_unknown(), "{failure:?}");
    assert_eq!(api.count(), 0);
}

/// Raw HTTP responses for every client.
#[test]
fn fuzz_http_answers() {
    let token = jwt(
        &serde_json::json!({"email": "ops-sa@sa.stackit.cloud", "exp": now().as_second() + 60}),
    );
    let seeds = [
        granted(&token),
        answer("200 OK", JSON, r#"{"access_token":"t","expires_in":"3599","refresh_token":"r","token_type":"Bearer"}"#),
        answer("200 OK", JSON, r#"{"items":[{"name":"a","status":{"credentialsRotation":{"phase":"PREPARED"}}}]}"#),
        answer("200 OK", JSON, r#"{"name":"shop","projectId":"p","labels":{}}"#),
        answer("200 OK", JSON, r#"{"kubeconfig":"kind: Config\n","expirationTimestamp":"2026-11-24T22:00:00Z"}"#),
        answer("429 Too Many Requests", "Retry-After: 7\r\nDate: Tue, 24 Nov 2026 14:02:11 GMT\r\nx-trace-id: abc\r\n", "slow down"),
        answer("401 Unauthorized", JSON, r#"{"error":"invalid_grant","error_description":"Key with kid k not found"}"#),
        answer("400 Bad Request", JSON, r#"{"code":"FailedPrecondition","message":"m","details":["d"]}"#),
        answer("503 Service Unavailable", "Content-Type: text/html; charset=utf-8\r\n", "<html>"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"nam\r\n6\r\ne\":\"a\"}\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ];
    let words = [
        "HTTP/1.1 ",
        "200",
        "204",
        "401",
        "999",
        "Content-Length: 99999999999999999999\r\n",
        "Retry-After: -1\r\n",
        "Retry-After: Tue, 24 Nov 9999 14:02:11 GMT\r\n",
        "Content-Encoding: gzip\r\n",
        "\r\n\r\n",
        "\"access_token\":",
        "\"expires_in\":1e300",
        "{\"error\":{\"code\":1,\"message\":\"m\"}}",
        "\"\\u001b[2J\"",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = key_json(None);
    fuzz(32, &changed_text(seeds, &words), |text| {
        proptest::prop_assume!(!text.is_empty());
        let failures = runtime.block_on(async {
            let server = Server::start(vec![text.clone()]).await;
            // Replaces STACKIT's own endpoint, the fallback for an unknown key.
            let default = Server::start(vec![text]).await;
            let secret = KeyText::Inline(Secret::new(key.to_string()));
            let base = Some(server.base.clone());
            let config = key_source(secret, base, &default.base);
            let (signs_in, ..) = from_config(config).unwrap();
            let (source, http, _) = from_config(fixed("canary-token")).unwrap();
            let ske = SkeClient::new(&server.base, http.clone(), source.clone()).unwrap();
            let projects = ProjectsClient::new(&server.base, http, source).unwrap();
            let id = ClusterId::new("p", "eu01", "a");
            [
                signs_in.token().await.err(),
                ske.list(&id.scope).await.err(),
                projects.name(id.project()).await.err(),
            ]
        });
        for failure in failures.into_iter().flatten() {
            let shown = failure.to_string();
            let is_short = shown.len() < 10_000 && !shown.contains(char::is_control);
            proptest::prop_assert!(is_short && !shown.contains("canary-token"), "{shown}");
        }
        Ok(())
    });
}

/// A CLI that prints these tokens, repeating the last; counts its runs.
fn cli(tokens: Vec<String>) -> (SourceConfig, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let run = move |_| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let token = tokens.get(number).or(tokens.last()).cloned().unwrap();
        async move {
            tokio::task::yield_now().await;
            let (stdout, stderr) = (token.into_bytes().into(), Vec::new().into());
            Ok(ProgramOutput { success: true, status: String::new(), stdout, stderr })
        }
        .boxed()
    };
    let stackit =
        Some(TokenProgram { path: "/usr/bin/stackit".into(), profile: None, run: Arc::new(run) });
    let set = AuthSettings { path: &|_| None, text: &|_| None, variable: &|_| None, stackit };
    (choose(&set).unwrap(), asked)
}

#[tokio::test]
async fn auth_03_the_cli_is_asked_once_for_all_and_again_before_its_token_ends() {
    let token = |seconds: i64| jwt(&serde_json::json!({"exp": now().as_second() + seconds}));
    let (first, second) = (token(600), token(4_200));
    let (config, asked) = cli(vec![first.clone(), first.clone(), second.clone()]);
    assert_eq!(config.summary, "the stackit CLI, /usr/bin/stackit");
    let (source, _, clock) = from_config(config).unwrap();
    let ask_all = || futures_util::future::join_all((0..50).map(|_| source.token()));
    for (turn, expected, times) in [
        (0, &first, 1),
        (539, &first, 1),
        // It has no other token yet, and is not run on every read.
        (1, &first, 2),
        (9, &first, 2),
        (1, &second, 3),
        (3_000, &second, 3),
    ] {
        clock.turn(Duration::from_secs(turn));
        for given in ask_all().await {
            assert_eq!(given.unwrap().expose(), expected);
        }
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
    assert!(source.identity().renews);
}

#[tokio::test]
async fn auth_09_a_refused_token_that_the_cli_still_prints_is_signed_out() {
    let token = jwt(&serde_json::json!({"exp": now().as_second() + 600}));
    let (config, _) = cli(vec![token]);
    let (source, ..) = from_config(config).unwrap();
    let refused = source.token().await.unwrap();
    let failure = source.renew(&refused).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
    assert!(failure.hint.unwrap().contains("run `stackit auth login`"));
}
