//! The projects of the account, and its permissions in them.

use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, PROJECT, Setting};

const PERMISSIONS: &str = "/v2/users/demo@simulator/permissions";

fn without_projects() -> Setting {
    Setting::default().set("SKEYS_PROJECTS", "").set("STACKIT_PROJECT_ID", "")
}

/// The account has only these permissions in the project.
fn held(permissions: &str) -> Fault {
    let item = format!(
        r#"{{"items":[{{"resourceId":"{PROJECT}","resourceType":"project","permissions":[{permissions}]}}]}}"#
    );
    Fault::new("GET", "permissions", None, FaultEffect::answer(200, &item))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_projects_those_of_the_account_are_listed_with_their_names() {
    let journey = Journey::with(without_projects()).await;
    journey.shows("8 clusters");
    journey.shows("project shop");
    assert_eq!(journey.calls("GET", PERMISSIONS), 2, "what can be listed, and what can be done");
    assert_eq!(journey.calls("GET", "/v2/projects"), 1);
    assert_eq!(journey.calls("GET", &format!("/v2/projects/{PROJECT}")), 0);
    // Configured projects take precedence; others are discovered nevertheless, for selection.
    let journey = Journey::with(Setting { projects: Some(1), ..Setting::default() }).await;
    journey.shows("8 clusters");
    journey.shows("project shop");
    assert_eq!(journey.calls("GET", PERMISSIONS), 2);
    assert_eq!(journey.calls("GET", "/v2/projects"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projects_that_cannot_be_found_are_an_error_and_r_tries_again() {
    let fault = Fault::new("GET", "permissions", None, FaultEffect::answer(503, "no"));
    let mut journey = Journey::with(Setting { faults: vec![fault], ..without_projects() }).await;
    journey.says("could not read the permissions of demo@simulator");
    journey.says("Nothing loaded; see the error above. r retries.");
    journey.simulator.clear_faults();
    journey.press("<esc>r").await;
    journey.until("8 clusters", 60).await;
    let faults = vec![Fault::new("GET", "permissions", None, FaultEffect::answer(200, "{}"))];
    let journey = Journey::with(Setting { faults, ..without_projects() }).await;
    journey.says("The account may not list clusters in any project.");
    // An opaque token has no information about the account.
    let setting = without_projects().set("STACKIT_ACCESS_TOKEN", "opaque");
    let journey = Journey::with(setting).await;
    journey.says("the token names no email address");
    journey.says("--project");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_account_may_not_do_is_refused_with_the_permission() {
    let faults = vec![held(r#"{"name":"ske.cluster.list"}"#)];
    let mut journey = Journey::with(Setting { faults, ..Setting::default() }).await;
    journey.press("/alpha<enter>R").await;
    journey.says("Start: the account lacks ske.cluster.credential.rotate in project shop");
    journey.press("K").await;
    journey.says("Kubeconfig: the account lacks ske.cluster.kubeconfig.create in project shop");
    assert_eq!(journey.calls("POST", "kubeconfig"), 0);
    // Permissions granted in between are effective from the next refresh on.
    journey.simulator.clear_faults();
    journey.press("rR").await;
    journey.shows("Start credentials rotation");
    let both =
        r#"{"name":"ske.cluster.credential.rotate"},{"name":"ske.cluster.kubeconfig.create"}"#;
    let unknown = Fault::new("GET", "permissions", None, FaultEffect::answer(403, "{}"));
    for fault in [held(both), unknown] {
        let setting = Setting { faults: vec![fault], ..Setting::default() };
        let mut journey = Journey::with(setting).await;
        journey.hides("could not read the permissions");
        journey.press("/alpha<enter>R").await;
        journey.shows("Start credentials rotation");
    }
}
