//! Responses of the test cluster: client certificates, paged lists, watches, faults.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clients::kubernetes::tests::cluster::{FakeCluster, Rules, SECRETS};

/// Counts something in progress; robust against being dropped midway.
struct Busy(Arc<AtomicI64>);

impl Busy {
    fn new(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl FakeCluster {
    /// Serves one connection.
    pub async fn converse(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let busy = Busy::new(&self.in_flight);
        let accepted = acceptor.accept(stream).await;
        drop(busy);
        let Ok(stream) = accepted else { return };
        let credential = (stream.get_ref().1.peer_certificates())
            .and_then(|chain| {
                let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
                certificate.subject().iter_common_name().next()?.as_str().ok()?.parse().ok()
            })
            .unwrap_or(0);
        if self.is_curt && credential > 0 {
            return;
        }
        let service = service_fn(move |request| {
            let this = self.clone();
            async move { Ok::<_, Infallible>(this.answer(credential, request).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .auto_date_header(false)
            .serve_connection(TokioIo::new(stream), service);
        drop(serving.await);
    }

    async fn answer(
        &self,
        credential: u64,
        request: Request<Incoming>,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let (path, query) =
            (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
        let busy = Busy::new(&self.in_flight);
        let rules = {
            let mut state = self.state();
            state.requests.push((credential, format!("{path}?{query}")));
            state.rules.clone()
        };
        let is_watch = query.contains("watch=true");
        let hangs = rules.hangs.is_some_and(|start| path.starts_with(start));
        if rules.silent || hangs || (is_watch && rules.unopened_watches) {
            drop(busy);
            std::future::pending::<()>().await;
            return status(500, "never");
        }
        let forced = rules.statuses.iter().find(|(start, _)| path.starts_with(**start));
        let is_stranger =
            rules.accepted.as_ref().is_some_and(|accepted| !accepted.contains(&credential));
        let response = if is_stranger {
            status(401, "Unauthorized")
        } else if let Some((_, code)) = forced {
            status(*code, "as ordered")
        } else if let Some(code) = rules.watch_status.filter(|_| is_watch) {
            status(code, "as ordered for watches")
        } else if is_watch {
            self.watch(&path, &query, rules.held_back_watches)
        } else {
            self.read(&path, &query, &rules).await
        };
        drop(busy);
        let mut changed = self.changed.subscribe();
        while self.state().rules.late.is_some_and(|start| path.starts_with(start)) {
            changed.changed().await.unwrap();
        }
        let mut response = response;
        if let Some(date) = rules.date {
            response.headers_mut().insert("date", date.parse().unwrap());
        }
        response
    }

    async fn read(
        &self,
        path: &str,
        query: &str,
        rules: &Rules,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        match path {
            "/readyz" => return whole(200, Value::from("ok")),
            "/api/v1/namespaces/default/serviceaccounts/default/token" => {
                // {"alg":"RS256","kid":"b"} . {} . no signature
                let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImIifQ.e30.AA";
                return whole(201, json!({"status": {"token": token}}));
            }
            "/openid/v1/jwks" => return whole(200, json!({"keys": [{"kid": "a"}, {"kid": "b"}]})),
            _ => {}
        }
        let start: usize =
            parameter(query, "continue").and_then(|token| token.parse().ok()).unwrap_or(0);
        let limit =
            parameter(query, "limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let limit = rules.page.unwrap_or(limit).min(limit);
        let mut changed = self.changed.subscribe();
        while self.state().rules.hold_page.is_some_and(|from| start / limit.max(1) >= from) {
            changed.changed().await.unwrap();
        }
        let state = self.state();
        let all: Vec<&Value> = state
            .objects
            .iter()
            .filter(|(known, _)| **known == path || path == "/api/v1/secrets" && **known == SECRETS)
            .flat_map(|(_, objects)| objects.values())
            .collect();
        let page: Vec<&Value> = all.iter().skip(start).take(limit).copied().collect();
        let next = if start + page.len() < all.len() {
            (start + page.len()).to_string()
        } else {
            String::new()
        };
        let version =
            if rules.unversioned_lists { String::new() } else { state.version.to_string() };
        whole(
            200,
            json!({"kind": "List", "metadata": {"resourceVersion": version, "continue": next}, "items": page}),
        )
    }

    fn watch(
        &self,
        path: &str,
        query: &str,
        is_held_back: bool,
    ) -> Response<BoxBody<Bytes, Infallible>> {
        let from: u64 =
            parameter(query, "resourceVersion").and_then(|text| text.parse().ok()).unwrap_or(0);
        let (cuts, forgotten) = {
            let state = self.state();
            (state.cuts, state.forgotten)
        };
        let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
        if from < forgotten {
            let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}});
            sender.send(Bytes::from(format!("{gone}\n"))).unwrap();
        } else if self.state().rules.short_lived_watches {
            let version = self.state().version.to_string();
            let here = json!({"type": "BOOKMARK", "object": {"kind": "X", "metadata": {"resourceVersion": version}}});
            sender.send(Bytes::from(format!("{here}\n"))).unwrap();
        } else {
            tokio::spawn(self.clone().feed(path.to_owned(), from, cuts, is_held_back, sender));
        }
        let frames = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|bytes| (Ok::<_, Infallible>(Frame::data(bytes)), receiver))
        });
        Response::new(BodyExt::boxed(StreamBody::new(frames)))
    }

    async fn feed(
        self,
        path: String,
        mut from: u64,
        cuts: u64,
        is_held_back: bool,
        sender: mpsc::UnboundedSender<Bytes>,
    ) {
        let mut changed = self.changed.subscribe();
        loop {
            let news: Vec<String> = {
                let state = self.state();
                let later = state.log.iter().filter(|(version, known, verb, _)| {
                    (*version > from || *verb == "BOOKMARK" && *version == from) && *known == path
                });
                let lines = later.map(|(_, _, verb, object)| {
                    format!("{}\n", json!({"type": verb, "object": object}))
                });
                let lines = lines.collect();
                from = state.version;
                lines
            };
            if !is_held_back {
                for line in news {
                    // Split anywhere, as networks do.
                    let (head, tail) = line.split_at(line.len() / 2);
                    if sender.send(Bytes::from(head.to_owned())).is_err()
                        || sender.send(Bytes::from(tail.to_owned())).is_err()
                    {
                        return;
                    }
                }
            }
            if self.state().cuts > cuts {
                return;
            }
            tokio::select! {
                changed = changed.changed() => changed.unwrap(),
                () = sender.closed() => return,
            }
        }
    }
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
}

fn whole(code: u16, body: Value) -> Response<BoxBody<Bytes, Infallible>> {
    Response::builder()
        .status(code)
        .body(BodyExt::boxed(Full::new(Bytes::from(body.to_string()))))
        .unwrap()
}

fn status(code: u16, message: &str) -> Response<BoxBody<Bytes, Infallible>> {
    whole(code, json!({"kind": "Status", "status": "Failure", "message": message, "code": code}))
}
