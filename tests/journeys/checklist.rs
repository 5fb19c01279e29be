//! The checklist of clients outside the cluster: on this machine, and shared through the cluster.

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::simulated_cluster::{client, observing};
use crate::support::{Journey, Setting};

const PREPARED: &str = "[[projects.clusters]]\nname = \"shop\"\nphase = \"PREPARED\"\ninitiated_ago = \"3h\"\n\
                        completed_ago = \"120d\"\n";

fn open() -> Setting {
    observing(ObservationScope::Open, PREPARED)
}

/// The `ConfigMap`s of the namespace, accessed by a colleague.
async fn config_maps(journey: &Journey) -> Api<ConfigMap> {
    Api::namespaced(client(&journey.ask_kubeconfig("shop").await).await, "default")
}

/// The clients in the `ConfigMap`, by name.
async fn shared(maps: &Api<ConfigMap>) -> Value {
    let map = maps.get("skeys-checklist").await.unwrap();
    serde_json::from_str(&map.data.unwrap()["checklist.json"]).unwrap()
}

/// Somebody else wins the race this number of times.
fn conflicts(times: Option<u32>) -> Fault {
    let answer = r#"{"kind":"Status","code":409,"reason":"Conflict","message":"modified"}"#;
    let path = "kubernetes/shop/api/v1/namespaces/default/configmaps/skeys-checklist";
    Fault::new("PATCH", path, times, FaultEffect::answer(409, answer))
}

/// Replaces the list, as a colleague would.
async fn put(maps: &Api<ConfigMap>, list: &Value) {
    let mut map = maps.get("skeys-checklist").await.unwrap();
    map.metadata.labels = Some([("team".to_owned(), "shop".to_owned())].into());
    let data = [("checklist.json", list.to_string()), ("more", "x".to_owned())];
    map.data = Some(data.map(|(key, value)| (key.to_owned(), value)).into());
    maps.replace("skeys-checklist", &PostParams::default(), &map).await.unwrap();
}

#[tokio::test]
async fn a_client_is_listed_and_done_and_counts_before_complete() {
    let mut journey = Journey::with(Setting { size: (100, 40), ..open() }).await;
    journey.press("<enter>5").await;
    journey.until("S shares it with colleagues", 20).await;
    journey.says("No clients listed");
    journey.press("R").await;
    journey.says("the checklist is empty");
    journey.press("<esc>a").await;
    journey.wait(1).await;
    journey.press("<enter><enter><enter><enter>").await;
    journey.says("enter a name");
    journey.press("<esc>a").await;
    journey.wait(1).await;
    journey.press("ci deploy<enter>Kim<enter>variable KUBECONFIG<enter><enter>").await;
    journey.shows("▸ ○ ci deploy  Kim    variable KUBECONFIG");
    journey.says("0 of 1 have the new credentials");
    journey.press("R").await;
    journey.says("1 client on the checklist without new credentials will stop working: ci deploy");
    journey.press("<esc><space>").await;
    journey.shows("▸ ✓ ci deploy");
    journey.press("R").await;
    journey.says("checklist: all clients have new credentials (1 client)");
    journey.press("<esc>").await;
    let kept = journey.read("state/checklists.json");
    assert!(kept.contains("\"name\": \"ci deploy\""), "{kept}");
    let journal = journey.read("state/journal.jsonl");
    assert!(journal.contains("checklist: ci deploy done"), "{journal}");
    journey.press("<enter>").await;
    journey.wait(1).await;
    journey.press("<ctrl-u>cd<enter><enter><enter><enter>").await;
    journey.shows("▸ ✓ cd");
    journey.press("x").await;
    journey.wait(1).await;
    journey.press("<tab><enter>").await;
    journey.says("No clients listed");
}

#[tokio::test]
async fn a_pasted_token_is_judged_and_never_shown() {
    let mut journey = Journey::with(open()).await;
    let admin = client(&journey.ask_kubeconfig("shop").await).await;
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, "default");
    let request = serde_json::from_value(json!({"spec": {"audiences": []}})).unwrap();
    let token = accounts.create_token_request("default", &PostParams::default(), &request).await;
    let token = token.unwrap().status.unwrap().token;
    journey.press("<enter>4").await;
    journey.until_text("Paste a token to check it", 30).await;
    journey.paste(&format!("{token}\n")).await;
    journey
        .until_text("pasted token of system:serviceaccount:default:default: keeps working", 90)
        .await;
    let signature = token.rsplit('.').next().unwrap().to_owned();
    for text in
        [journey.screen(), journey.read("state/journal.jsonl"), crate::support::logged().await]
    {
        assert!(!text.contains(&signature[..20]), "{text}");
    }
    journey.paste("c0ffeec0ffeec0ffee").await;
    journey.says("pasted token: no longer works; static token; start disables it");
    journey.paste("some words").await;
    journey.says("The pasted text is not a token");
}

#[tokio::test]
async fn a_shared_list_shows_what_colleagues_change_and_overwrites_nothing() {
    let mut journey = Journey::with(open()).await;
    journey.press("<enter>5").await;
    journey.until("S shares it with colleagues", 20).await;
    journey.press("a").await;
    journey.wait(1).await;
    journey.press("ci<enter><enter><enter><enter>").await;
    journey.press("S").await;
    journey.says("ConfigMap default/skeys-checklist of the cluster");
    journey.wait(1).await;
    journey.press("<tab><enter>").await;
    journey.until("shared: ConfigMap default/skeys-checklist", 20).await;
    let maps = config_maps(&journey).await;
    let mut list = shared(&maps).await;
    assert_eq!(list["clients"][0]["name"], "ci");

    // A colleague adds one and takes over the other one, while it is being edited here.
    journey.press("<enter>").await;
    list["clients"][0]["owner"] = "Ada".into();
    list["clients"].as_array_mut().unwrap().push(json!({"name": "backup"}));
    put(&maps, &list).await;
    journey.until("backup", 20).await;
    journey.press("<tab>me<enter><enter><enter>").await;
    journey.says("Someone else has changed this client");
    assert_eq!(shared(&maps).await, list, "nothing was written");
    journey.press("<esc>").await;
    journey.shows("▸ ○ ci      Ada");

    // Somebody else writes between our read and write.
    journey.order(conflicts(Some(2)));
    journey.press("<space>").await;
    journey.until("✓ ci", 20).await;
    assert!(shared(&maps).await["clients"][0]["doneForRotation"].is_string());
    let map = maps.get("skeys-checklist").await.unwrap();
    assert_eq!(map.data.unwrap()["more"], "x", "of a ConfigMap only the list is ours");
    assert_eq!(map.metadata.labels.unwrap()["team"], "shop");
    journey.order(conflicts(None));
    journey.press("<space>").await;
    journey.says("Others are changing the checklist at the same time; nothing was written");
    journey.press("<esc>").await;
    journey.shows("✓ ci");

    // A list that cannot be read is never overwritten.
    put(&maps, &json!({"version": 2})).await;
    journey.until("written by a newer skeys (format 2)", 20).await;
    journey.press("<space>").await;
    journey.says("The checklist cannot be changed now");
    maps.delete("skeys-checklist", &DeleteParams::default()).await.unwrap();
    journey.until("no longer shared: ConfigMap default/skeys-checklist", 20).await;
    journey.shows("✓ ci      Ada");
    journey.says("! 1 of 2 have the new credentials, as far as known");
    journey.press("R").await;
    journey.says("? the checklist may be outdated");
    journey.hides("all clients have new credentials");
}

#[tokio::test]
async fn a_list_that_is_shared_already_takes_the_clients_of_this_machine() {
    let mut journey = Journey::with(open()).await;
    let maps = config_maps(&journey).await;
    let list = json!({"version": 1, "clients": [{"name": "backup", "owner": "Ada"}]});
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "skeys-checklist"}, "data": {"checklist.json": list.to_string()}
    }))
    .unwrap();
    journey.press("<enter>5").await;
    journey.until("S shares it with colleagues", 20).await;
    journey.press("a").await;
    journey.wait(1).await;
    journey.press("ci<enter><enter><enter><enter>").await;
    maps.create(&PostParams::default(), &map).await.unwrap();
    journey.until("only on this machine: ci; S adds them to the shared list", 20).await;
    journey.press("S").await;
    journey.wait(1).await;
    journey.press("<tab><enter>").await;
    journey.until("○ ci", 20).await;
    assert_eq!(shared(&maps).await["clients"].as_array().unwrap().len(), 2);

    // While the cluster is not observed, the copy is shown and read-only, even in an open dialog.
    journey.press("<enter>").await;
    journey.trouble("shop", "", FaultEffect::Drop {}, 600);
    journey.until_slowly("shared, but not read", 10, 60).await;
    journey.press("<tab>me<enter><enter><enter>").await;
    journey.says("The checklist cannot be changed now");
    journey.press("<esc>").await;
    assert!(!journey.read("state/checklists.json").contains("\"me\""));
    journey.press("<space>").await;
    journey.says("The checklist cannot be changed now");
    // What colleagues changed meanwhile is not known.
    journey.press("R").await;
    journey.says("? the checklist may be outdated");
    journey.press("<esc>").await;
    journey.until_slowly("shared: ConfigMap", 10, 120).await;
    journey.press("S").await;
    journey.wait(1).await;
    journey.press("<tab><enter>").await;
    journey.until("kept on this machine", 20).await;
    assert!(maps.get_opt("skeys-checklist").await.unwrap().is_none());
    journey.shows("○ backup  Ada");
}
