//! The client against loopback servers that misbehave on purpose.

use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::clients::auth::{TokenSource, access_token};
use crate::clients::discovery::DiscoveryClient;
use crate::clients::error_chain::find_source;
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::scripted::{JSON, Server, answer};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::action::Action;
use crate::domain::cluster::{ClusterId, ProjectId, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::now;
use crate::domain::lifetime::Lifetime;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;

const CANARY: &str = "canary-secret-token";

fn client(base: &str) -> (SkeClient, Http, Clock) {
    let clock = Clock::manual(now());
    let http = Http::new(clock.clone(), None).unwrap();
    let tokens = TokenSource::new(
        access_token::source(Secret::new(CANARY.into()), "TEST"),
        http.clone(),
        clock.clone(),
    )
    .unwrap();
    (SkeClient::new(base, http.clone(), tokens).unwrap(), http, clock)
}

fn id() -> ClusterId {
    ClusterId::new("p", "eu01", "shop")
}

fn scope() -> Scope {
    id().scope
}

async fn list_failure(answer: String) -> Failure {
    let server = Server::start(vec![answer]).await;
    let failure = client(&server.base).0.list(&scope()).await.unwrap_err();
    assert!(!format!("{failure:?} {failure}").contains(CANARY));
    failure
}

#[tokio::test]
async fn a_list_is_read_with_token_path_and_skew() {
    let date = now().saturating_add(jiff::SignedDuration::from_secs(90)).unwrap();
    let date = httpdate::fmt_http_date(date.into());
    let headers = format!("{JSON}Date: {date}\r\n");
    let body = r#"{"items":[{"name":"a"}]}"#;
    let answers = vec![answer("200 OK", &headers, body), answer("200 OK", JSON, body)];
    let server = Server::start(answers).await;
    let (client, ..) = client(&server.base);
    let listing = client.list(&scope()).await.unwrap();
    assert_eq!(
        (listing.clusters.len(), listing.skipped, listing.skew.unwrap().as_secs()),
        (1, 0, 90)
    );
    let request = server.requests.lock().unwrap()[0].to_lowercase();
    assert!(request.starts_with("get /v2/projects/p/regions/eu01/clusters http/1.1"));
    assert!(request.contains(&format!("authorization: bearer {CANARY}")));
    assert_eq!(client.list(&scope()).await.unwrap().skew, None, "no Date header, no clock");
}

#[tokio::test]
async fn api_01_api_03_statuses_of_a_list_become_kinds_and_hints() {
    let body = r#"{"code":"Unimplemented","message":"unknown region","details":""}"#;
    let failure = list_failure(answer("501 Not Implemented", "x-trace-id: t1\r\n", body)).await;
    assert_eq!(failure.kind, FailureKind::NotOffered);
    assert_eq!(
        (failure.code.as_deref(), failure.trace.as_deref()),
        (Some("Unimplemented"), Some("t1"))
    );
    let failure = list_failure(answer("403 Forbidden", "", "{}")).await;
    assert!(
        failure.kind == FailureKind::Forbidden
            && failure.hint.unwrap().contains("ske.cluster.list")
    );
    let body = r#"{"code":"NotFound","message":"project id \"p\": not found","details":""}"#;
    let failure = list_failure(answer("404 Not Found", "", body)).await;
    assert!(
        failure.kind == FailureKind::NotFound && failure.hint.unwrap().contains("not be enabled")
    );
}

#[tokio::test]
async fn api_36_what_a_proxy_answers_is_no_word_on_project_cluster_region_or_permission() {
    let page = "<html><h1>Not Found</h1></html>";
    for (status, headers, body) in [
        ("404 Not Found", "Content-Type: text/html\r\n", page),
        ("404 Not Found", JSON, page),
        ("404 Not Found", "", ""),
        ("404 Not Found", JSON, "{}"),
        ("404 Not Found", JSON, "null"),
        ("404 Not Found", "", "default backend - 404"),
        ("404 Not Found", JSON, r#"{"message":"no Route matched with those values"}"#),
        ("501 Not Implemented", "Content-Type: text/html\r\n", page),
        ("403 Forbidden", "Content-Type: text/html\r\n", page),
    ] {
        let failure = list_failure(answer(status, headers, body)).await;
        assert_eq!(failure.kind, FailureKind::Server, "{status} {body}");
        assert!(failure.is_transient() && failure.hint.is_none(), "{failure:?}");
        let server = Server::start(vec![answer(status, headers, body)]).await;
        let failure = client(&server.base).0.get(&id()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Server, "{status} {body}");
    }
    for body in [
        r#"{"code":"NotFound","message":"cluster not found","details":""}"#,
        r#"{"code":5,"message":"not found","details":[]}"#,
        r#"{"timeStamp":"2026-11-24T10:00:00Z","status":404,"error":"Not Found","message":"x","path":"/v2"}"#,
        r#"{"error":{"code":404,"message":"x","status":"Not Found"}}"#,
    ] {
        let failure = list_failure(answer("404 Not Found", JSON, body)).await;
        assert_eq!(failure.kind, FailureKind::NotFound, "{body}");
    }
}

#[tokio::test]
async fn api_35_an_error_with_status_200_is_no_empty_list() {
    let body = r#"{"code":14,"message":"upstream unavailable"}"#;
    let failure = list_failure(answer("200 OK", JSON, body)).await;
    assert_eq!(failure.kind, FailureKind::Format);
    let (_, http, clock) = client("http://127.0.0.1:1");
    let who = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6Im9wc0BleGFtcGxlLnRlc3QifQ.c2ln";
    let source = access_token::source(Secret::new(who.into()), "TEST");
    let tokens = TokenSource::new(source, http.clone(), clock).unwrap();
    let server = Server::start(vec![answer("200 OK", JSON, body)]).await;
    let names = ProjectsClient::new(&server.base, http.clone(), tokens.clone()).unwrap();
    let failure = names.of_member("ops@example.test").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Format);
    let discovery = DiscoveryClient::new(&server.base, http, tokens, names).unwrap();
    let failure = discovery.projects().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Format);
}

#[tokio::test]
async fn api_04_a_plain_text_503_keeps_its_message() {
    let failure =
        list_failure(answer("503 Unavailable", "", "upstream connect error\u{1b}[2J")).await;
    assert_eq!(failure.kind, FailureKind::Server);
    assert!(failure.message.contains("upstream connect error␛[2J (HTTP 503)"), "{failure}");
}

#[tokio::test]
async fn api_05_a_login_page_is_named_and_never_drawn() {
    let page = "<html>log in here</html>";
    let failure =
        list_failure(answer("200 OK", "Content-Type: text/html; charset=x\r\n", page)).await;
    assert_eq!(failure.kind, FailureKind::Format);
    assert!(failure.message.contains("not JSON (text/html from a proxy?)"));
    assert!(!failure.message.contains("log in"));
}

#[tokio::test]
async fn api_06_a_cut_body_names_the_bytes_received() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"items\":[".to_owned();
    let failure = list_failure(cut).await;
    assert_eq!(failure.kind, FailureKind::Format);
    assert!(failure.message.contains("10 bytes received of 100"), "{failure}");
}

#[tokio::test]
async fn api_08_a_large_body_is_refused_at_the_limit() {
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{{", 70 * 1024 * 1024);
    let failure = list_failure(announced).await;
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert!(failure.message.contains("64 MiB"));
    let unannounced =
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", " ".repeat(1_100_000));
    let server = Server::start(vec![unannounced]).await;
    let failure = client(&server.base).0.get(&id()).await.unwrap_err();
    assert!(failure.kind == FailureKind::TooLarge && failure.message.contains("1 MiB"));
}

#[tokio::test]
async fn api_09_after_a_429_nothing_is_sent_to_host_and_region_until_the_moment() {
    let date = httpdate::fmt_http_date((now() + Duration::from_secs(30)).into());
    for wait in ["30".to_owned(), date] {
        let limited = answer("429 Too Many", &format!("Retry-After: {wait}\r\n"), "{}");
        let good = answer("200 OK", JSON, "{}");
        let server = Server::start(vec![limited, good]).await;
        let (client, _, clock) = client(&server.base);
        let moment = Some(now() + Duration::from_secs(30));
        assert_eq!(client.list(&scope()).await.unwrap_err().retry_at, moment);
        clock.turn(Duration::from_secs(29));
        let failure = client.rotate(&id(), Step::Start).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry_at), (FailureKind::RateLimited, moment));
        assert!(!failure.leaves_outcome_unknown());
        assert_eq!(server.count(), 1);
        let elsewhere = ClusterId::new("p", "eu02", "shop");
        client.list(&elsewhere.scope).await.unwrap();
        clock.turn(Duration::from_secs(1));
        client.list(&scope()).await.unwrap();
        assert_eq!(server.count(), 3);
    }
}

#[tokio::test]
async fn api_09_a_moment_to_come_back_at_is_one_of_the_servers_clock() {
    for hours in [-1, 1] {
        let there = now().saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap();
        let date = |at: Timestamp| httpdate::fmt_http_date(at.into());
        let until = there.saturating_add(jiff::SignedDuration::from_secs(30)).unwrap();
        let headers = format!("Date: {}\r\nRetry-After: {}\r\n", date(there), date(until));
        let failure = list_failure(answer("429 Too Many", &headers, "{}")).await;
        let wait = failure.retry_at.unwrap().duration_since(now());
        assert!((29..=30).contains(&wait.as_secs()), "{wait}");
    }
}

#[tokio::test]
async fn api_09_a_429_that_names_no_moment_gets_a_pause_of_ten_seconds() {
    for headers in ["", "Retry-After: soon\r\n"] {
        let limited = answer("429 Too Many", headers, "{}");
        let server = Server::start(vec![limited, answer("200 OK", JSON, "{}")]).await;
        let (client, _, clock) = client(&server.base);
        let moment = Some(now() + Duration::from_secs(10));
        for _ in 0..2 {
            assert_eq!(client.list(&scope()).await.unwrap_err().retry_at, moment);
        }
        assert_eq!(server.count(), 1);
        clock.turn(Duration::from_secs(10));
        client.list(&scope()).await.unwrap();
    }
}

#[tokio::test]
async fn api_10_a_silent_server_ends_in_a_time_out() {
    let server = Server::start(vec![String::new()]).await;
    let (client, _, clock) = client(&server.base);
    let reading = tokio::spawn(async move { client.list(&scope()).await });
    while server.count() == 0 {
        tokio::task::yield_now().await;
    }
    clock.turn(Duration::from_secs(15));
    let failure = reading.await.unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert!(failure.message.contains("did not answer within 15 s"));
}

#[tokio::test]
async fn api_12_a_post_is_sent_once_when_the_connection_breaks() {
    let server = Server::start(vec!["reset".into()]).await;
    let (client, ..) = client(&server.base);
    let failure = client.rotate(&id(), Step::Start).await.unwrap_err();
    assert!(failure.leaves_outcome_unknown(), "{failure:?}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn api_13_a_post_without_a_connection_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (client, ..) = client(&base);
    let failure = client.rotate(&id(), Step::Complete).await.unwrap_err();
    assert!(!failure.leaves_outcome_unknown());
    assert!(failure.message.contains("nothing was sent"));
    let cause = find_source::<std::io::Error>(&failure).expect("the log is told all of it");
    assert_eq!(cause.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(client.list(&scope()).await.unwrap_err().kind, FailureKind::Unreachable);
}

#[tokio::test]
async fn api_15_a_refused_start_keeps_text_code_and_trace() {
    let body = r#"{"code":"FailedPrecondition","message":"phase is not 'Completed'","details":""}"#;
    let server = Server::start(vec![answer("400 Bad Request", "x-trace-id: t9\r\n", body)]).await;
    let failure = client(&server.base).0.rotate(&id(), Step::Start).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    let text = failure.full_text();
    assert!(text.contains("phase is not 'Completed'") && text.contains("FailedPrecondition"));
    assert!(text.contains("t9") && !failure.leaves_outcome_unknown());
}

#[tokio::test]
async fn api_33_only_a_documented_answer_is_an_acceptance() {
    let error = r#"{"code":"FailedPrecondition","message":"no","details":""}"#;
    for (status, body, expected) in [
        ("202 Accepted", "{}", Some(202)),
        ("202 Accepted", "", Some(202)),
        ("202 Accepted", r#"{"operation":"7"}"#, Some(202)),
        ("200 OK", "", Some(200)),
        ("200 OK", " {} ", Some(200)),
        ("202 Accepted", error, None),
        ("200 OK", error, None),
        ("200 OK", r#"{"error":"no"}"#, None),
        ("200 OK", "null", None),
        ("200 OK", "fine", None),
        ("201 Created", "{}", None),
        ("202 Accepted", "<html>", None),
    ] {
        for action in [Action::Rotate(Step::Complete), Action::WakeUp, Action::Reconcile] {
            let headers = format!("{JSON}x-trace-id: t9\r\n");
            let server = Server::start(vec![answer(status, &headers, body)]).await;
            let (client, ..) = client(&server.base);
            let taken = match action {
                Action::Rotate(step) => client.rotate(&id(), step).await,
                Action::WakeUp => client.wake_up(&id()).await,
                Action::Reconcile | Action::Issue => client.reconcile(&id()).await,
            };
            assert_eq!(taken.as_ref().ok().map(|taken| taken.status), expected, "{status} {body}");
            let trace = match taken {
                Ok(taken) => taken.trace,
                Err(failure) => {
                    assert!(failure.leaves_outcome_unknown(), "{failure:?}");
                    if body == error {
                        let text = failure.to_string();
                        let number = status.split(' ').next().unwrap();
                        assert!(text.contains(&format!("no (HTTP {number})")), "{text}");
                        assert!(text.contains("(FailedPrecondition)"), "{text}");
                    }
                    failure.trace
                }
            };
            assert_eq!(trace.as_deref(), Some("t9"));
        }
    }
}

#[tokio::test]
async fn api_24_a_redirect_is_not_followed_and_the_token_stays() {
    let other = Server::start(vec![answer("200 OK", JSON, "{}")]).await;
    let to = format!("Location: {}/v2?secret=1\r\n", other.base.replace("127.0.0.1", "localhost"));
    let failure = list_failure(answer("307 Temporary Redirect", &to, "")).await;
    assert!(failure.is_transient(), "a proxy may want a login for a while: {failure:?}");
    assert!(failure.message.contains("redirects to http://localhost"), "{failure}");
    assert!(!failure.message.contains("secret=1"));
    assert!(
        failure.to_string().contains("endpoints in the configuration"),
        "it may be a wrong address: {failure}"
    );
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn api_36_a_step_that_a_proxy_redirects_may_have_happened() {
    for status in ["302 Found", "303 See Other", "307 Temporary Redirect"] {
        let to = "Location: https://sign-in.example/\r\n";
        let server = Server::start(vec![answer(status, to, "")]).await;
        let failure = client(&server.base).0.rotate(&id(), Step::Start).await.unwrap_err();
        assert!(failure.leaves_outcome_unknown(), "{status}");
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn api_29_a_secret_that_is_quoted_in_escapes_is_redacted() {
    let escaped: Vec<_> = CANARY.bytes().map(|letter| format!("\\u{letter:04x}")).collect();
    let quoted = escaped.concat();
    let body = format!(r#"{{"code":"Unknown","message":"bad token {quoted}"}}"#);
    for status in ["401 Unauthorized", "500 Internal Server Error", "201 Created"] {
        let server = Server::start(vec![answer(status, JSON, &body)]).await;
        let failure = client(&server.base).0.rotate(&id(), Step::Start).await.unwrap_err();
        assert!(!failure.to_string().contains(CANARY), "{failure}");
    }
}

#[tokio::test]
async fn api_07_a_field_without_a_value_does_not_hide_the_other_projects() {
    let (_, http, clock) = client("http://127.0.0.1:1");
    let who = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6Im9wc0BleGFtcGxlLnRlc3QifQ.c2ln";
    let source = access_token::source(Secret::new(who.into()), "TEST");
    let tokens = TokenSource::new(source, http.clone(), clock).unwrap();
    let body = r#"{"items":[
        {"resourceId":"a","resourceType":null,"permissions":[{"name":"ske.cluster.list"},{"name":null}]},
        {"resourceId":"b","resourceType":"project","permissions":null},
        {"projectId":"c","name":null},{"projectId":"d","name":"shop"}]}"#;
    let server = Server::start(vec![answer("200 OK", JSON, body)]).await;
    let names = ProjectsClient::new(&server.base, http.clone(), tokens.clone()).unwrap();
    let discovery = DiscoveryClient::new(&server.base, http, tokens, names.clone()).unwrap();
    assert_eq!(discovery.projects().await.unwrap(), [ProjectId::new("a")]);
    let names = names.of_member("ops@example.test").await.unwrap();
    assert_eq!(names, [(ProjectId::new("d"), "shop".to_owned())].into());
}

#[tokio::test]
async fn host_04_a_kubeconfig_is_returned_without_debug_output() {
    let body = r#"{"kubeconfig":"canary-kubeconfig","expirationTimestamp":"2026-11-24T16:00:00Z"}"#;
    let server = Server::start(vec![answer("200 OK", JSON, body)]).await;
    let (client, http, _) = client(&server.base);
    let issued = client.issue(&id(), Lifetime::MIN).await.unwrap();
    assert_eq!(issued.kubeconfig.expose(), "canary-kubeconfig");
    assert_eq!(issued.expires, "2026-11-24T16:00:00Z".parse::<Timestamp>().ok());
    assert!(server.requests.lock().unwrap()[0].ends_with(r#"{"expirationSeconds":"3600"}"#));
    let shown = format!("{issued:?} {client:?} {http:?} {:?}", client.api.tokens);
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn the_observers_kubeconfig_is_valid_for_ten_minutes() {
    let server = Server::start(vec![answer("200 OK", JSON, r#"{"kubeconfig":"x"}"#)]).await;
    let (client, ..) = client(&server.base);
    assert!(client.is_on_loopback());
    client.issue_short_lived(&id()).await.unwrap();
    assert!(server.requests.lock().unwrap()[0].ends_with(r#"{"expirationSeconds":"600"}"#));
}

#[test]
fn endpoints_that_would_leak_the_token_are_refused() {
    let (good, http, _) = client("http://127.0.0.1:1");
    for base in ["http://ske.example", "ftp://127.0.0.1", "nonsense", "https://a:b@ske.example"] {
        assert!(SkeClient::new(base, http.clone(), good.api.tokens.clone()).is_err(), "{base}");
    }
    assert!(SkeClient::new("https://ske.example/x/", http, good.api.tokens.clone()).is_ok());
    let url = good.api.url(&["clusters", "a/../b?c"]).unwrap();
    assert_eq!(url.path(), "/clusters/a%2F..%2Fb%3Fc");
    assert!(good.api.url(&["clusters", ".."]).is_err());
}
