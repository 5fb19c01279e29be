//! Every request of the client and every response of the simulator, validated against the published files.

use std::collections::BTreeMap;

use skeys::testing::Clock;
use skeys::testing::clients::auth::{TokenSource, access_token};
use skeys::testing::clients::http::Http;
use skeys::testing::clients::projects::ProjectsClient;
use skeys::testing::clients::ske::SkeClient;
use skeys::testing::domain::cluster::{ClusterId, ProjectId, Region, Scope};
use skeys::testing::domain::lifetime::Lifetime;
use skeys::testing::domain::rotation::Step;
use skeys::testing::domain::secret::Secret;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{SimulatorOptions, serve};

use crate::openapi::{Call, Published};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_answers_are_as_published() {
    let Some(ske) = Published::from_variable("SKEYS_OPENAPI_SKE") else {
        println!("not checked: SKEYS_OPENAPI_SKE names no file");
        return;
    };
    let projects = Published::from_variable("SKEYS_OPENAPI_RESOURCE_MANAGER")
        .expect("SKEYS_OPENAPI_RESOURCE_MANAGER names the other file");
    skeys::testing::clients::install_crypto();
    let clock = Clock::manual("2026-11-24T14:00:00Z".parse().unwrap());
    let scene = Scene::fleet().unwrap();
    let options =
        SimulatorOptions { seed: 7, speed: 1.0, scene, listen: "127.0.0.1:0".parse().unwrap() };
    let simulator = serve(options, clock.clone()).await.unwrap();
    every_call(&simulator, &clock).await;
    let mut problems = Vec::new();
    let mut checked = BTreeMap::new();
    for call in simulator.request_log() {
        let Some(status) = call.status else { continue };
        let published = if call.path.contains("/regions/") { &ske } else { &projects };
        let found = published.problems(&Call {
            method: &call.method,
            path: &call.path,
            query: call.query.iter().map(|(name, _)| name.as_str()).collect(),
            body: call.body.as_ref(),
            status,
            answer: call.answer.as_ref(),
        });
        problems.extend(found);
        let end = call.path.rsplit('/').next().unwrap_or_default().to_owned();
        *checked.entry((call.method, end, status)).or_insert(0) += 1;
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    // Every operation that skeys uses was covered.
    for wanted in [
        ("GET", "clusters", 200),
        ("GET", "shop-dev", 200),
        ("POST", "start-credentials-rotation", 202),
        ("POST", "start-credentials-rotation", 400),
        ("POST", "complete-credentials-rotation", 202),
        ("POST", "kubeconfig", 200),
        ("GET", "login", 200),
        ("GET", "idp", 200),
        ("POST", "wakeup", 202),
        ("POST", "reconcile", 202),
    ] {
        let key = (wanted.0.to_owned(), wanted.1.to_owned(), wanted.2);
        assert!(checked.contains_key(&key), "{wanted:?} was not called: {checked:?}");
    }
}

/// Makes all calls of the clients, and provokes responses specific to a phase or to missing objects.
async fn every_call(simulator: &skeys::testing::simulator::Simulator, clock: &Clock) {
    let exports: BTreeMap<_, _> = simulator.exports().into_iter().collect();
    let http = Http::new(clock.clone(), None).unwrap();
    let token =
        |text: &str| access_token::source(Secret::new(text.to_owned()), "STACKIT_ACCESS_TOKEN");
    let given = token(&exports["STACKIT_ACCESS_TOKEN"]);
    let tokens = TokenSource::new(given, http.clone(), clock.clone()).unwrap();
    let base = &exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
    let ske = SkeClient::new(base, http.clone(), tokens.clone()).unwrap();
    let names = ProjectsClient::new(base, http.clone(), tokens).unwrap();
    let all = simulator.projects();
    for (project, _) in &all {
        names.name(&ProjectId::new(project)).await.unwrap();
        for region in ["eu01", "eu02", "eu99"] {
            let scope = Scope { project: ProjectId::new(project), region: Region::new(region) };
            drop(ske.list(&scope).await);
        }
    }
    assert_eq!(names.of_member("demo@simulator").await.unwrap().len(), all.len());
    drop(names.name(&ProjectId::new("00000000-0000-4000-8000-000000000000")).await);
    let shop = |name: &str| ClusterId::new(&all[0].0, "eu01", name);
    let id = shop("shop-dev");
    ske.get(&id).await.unwrap();
    ske.rotate(&id, Step::Start).await.unwrap();
    ske.rotate(&id, Step::Start).await.unwrap_err();
    ske.rotate(&id, Step::Complete).await.unwrap_err();
    ske.get(&id).await.unwrap();
    ske.rotate(&shop("shop-prod"), Step::Complete).await.unwrap();
    ske.rotate(&shop("preview"), Step::Start).await.unwrap_err();
    ske.wake_up(&shop("preview")).await.unwrap();
    ske.wake_up(&id).await.unwrap();
    ske.reconcile(&id).await.unwrap();
    for lifetime in [Lifetime::MIN, Lifetime::MAX] {
        ske.issue(&id, lifetime).await.unwrap();
    }
    ske.login_kubeconfig(&id).await.unwrap();
    ske.idp_kubeconfig(&id).await.unwrap_err();
    ske.idp_kubeconfig(&ClusterId::new(&all[2].0, "eu01", "iam-core")).await.unwrap();
    ske.get(&shop("nobody")).await.unwrap_err();
    let stranger = TokenSource::new(token("eyJh.eyJi.c2ln"), http.clone(), clock.clone()).unwrap();
    SkeClient::new(base, http, stranger).unwrap().get(&id).await.unwrap_err();
    simulator.inject_fault(Fault::new(
        "GET",
        "shop-dev",
        Some(1),
        FaultEffect::Stale { milliseconds: 1 },
    ));
    ske.get(&id).await.unwrap();
}
