//! Items that can be copied: names, ids, errors, commands.

use crate::app::checklist;
use crate::app::checklist::table::table as checklist_table;
use crate::app::cluster::tabs::Tab;
use crate::app::credentials::text::for_the_team;
use crate::app::menus::state::CopyItem;
use crate::app::menus::text;
use crate::app::nodes::blocker_text;
use crate::app::state::State;
use crate::domain::api_call::api_call;
use crate::domain::credential::{CLEAR_LOGIN_CACHE, login_cache_may_be_stale, restart_commands};
use crate::domain::kubectl::Kubectl;
use crate::domain::rotation::Step;

/// Watches all nodes, with pool and zone.
const WATCH_NODES: &str = "get nodes -L worker.gardener.cloud/pool,topology.kubernetes.io/zone -w";

/// The items for the current screen, the most likely first.
pub fn copy_items(state: &State) -> Vec<CopyItem> {
    let mut items = Vec::new();
    let mut add =
        |label: &str, text: String| items.push(CopyItem { label: label.to_owned(), text });
    if let Some(failure) = state.notices.errors.back() {
        add(text::ERROR, failure.full_text());
    }
    let record = state.record_at_cursor();
    if let Some(record) = record {
        add(text::ENTRY, record.line());
        if let Some(trace) = &record.trace {
            add(text::ENTRY_TRACE, trace.clone());
        }
    }
    let names: Vec<&str> = state.view.marked(&state.fleet).map(|id| id.name.as_str()).collect();
    if !names.is_empty() {
        add(text::MARKED, names.join("\n"));
    }
    if let Some(entry) = state.subject() {
        let cluster = &entry.cluster;
        let id = &cluster.id;
        add(text::CLUSTER, id.name.to_string());
        add(text::PROJECT, id.project().to_string());
        let in_cluster = state.in_cluster(cluster);
        if state.due_step() == Some(Step::Complete) {
            let tokens = in_cluster.as_ref().map_or(&[][..], |found| &found.tokens);
            let project = state.fleet.project_name(id.project());
            add(text::TEAM_MESSAGE, for_the_team(cluster, project, tokens));
        }
        let clients = state.checklist_of(id).list;
        if !clients.clients().is_empty() {
            let table = checklist_table(&clients, &cluster.rotation);
            add(checklist::text::COPY, table.markdown());
        }
        let known = state.known_credentials(cluster);
        if login_cache_may_be_stale(cluster, &known, state.server_now()) {
            add(text::LOGIN_CACHE, CLEAR_LOGIN_CACHE.to_owned());
        }
        let context = state.kubectl_context(cluster);
        let mut command =
            |label: &str, command: Kubectl| add(label, command.line(context.as_ref()));
        command(text::WATCH_NODES, Kubectl::plain(WATCH_NODES));
        let pods = in_cluster.map(|found| found.pods).unwrap_or_default();
        for restart in restart_commands(&pods).into_iter().take(3) {
            command(text::RESTART, restart);
        }
        let roll = state.nodes.roll(id);
        for blocker in roll.iter().flat_map(|roll| &roll.blockers).take(3) {
            if let Some(inspect) = blocker_text::inspect(blocker) {
                command(&blocker_text::object(blocker), inspect);
            }
        }
        // Elsewhere nobody sees which node is selected.
        let on_nodes = state.screen.tab() == Some(Tab::Nodes);
        if let Some(node) = state.node_at_cursor().filter(|_| on_nodes) {
            if let Some(describe) = Kubectl::about(None, "describe node", &node.name, "") {
                command(text::DESCRIBE_NODE, describe);
            }
            add(text::NODE, node.name.clone());
        }
        if let Some(step) = state.due_step() {
            let call = api_call(&state.shared.settings.ske, id, step);
            add(&text::api_call(step), call);
        }
        if let Some(problem) = cluster.problems.first() {
            add(text::SKE_ERROR, format!("{}: {}", problem.code, problem.message));
        }
    }
    if record.is_none()
        && let Some(trace) =
            state.activity.records.iter().rev().find_map(|record| record.trace.clone())
    {
        add(text::LAST_TRACE, trace);
    }
    items
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::fleet::state::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::menus::copy::copy_items;
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::settings::Settings;
    use crate::app::state::State;

    use crate::domain::cluster::ClusterId;
    use crate::domain::credential::KubeconfigLocation;
    use crate::domain::fixtures::{access, cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;

    #[test]
    fn host_09_copied_commands_quote_cluster_names() {
        for (name, context, segment) in [
            ("shop;touch x;#", "--context 'shop;touch x;#' ", "clusters/shop%3Btouch%20x%3B%23/"),
            ("a$(touch x)", "--context 'a$(touch x)' ", "clusters/a%24%28touch%20x%29/"),
            ("a'b", r"--context 'a'\''b' ", "clusters/a%27b/"),
            // No shell could parse it.
            ("a\nb", "kubectl get nodes -L", "clusters/a%0Ab/"),
        ] {
            let at = Now { wall: now(), monotonic: Duration::ZERO };
            let settings = Settings::defaults();
            let mut state =
                State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
            let mut evil = cluster("a", Phase::Completed);
            evil.id = ClusterId::new("p", "eu01", name);
            state.view.cursor = Some(evil.id.clone());
            state.credentials.accesses = vec![access(&evil, true, "~/.kube/config")];
            state.fleet.put(Entry::new(evil, at, RequestId(1)));
            let items = copy_items(&state);
            let of = |prefix: &str| {
                let found = items.iter().find(|item| item.text.starts_with(prefix));
                found.map_or("", |item| item.text.as_str())
            };
            assert!(of("kubectl").contains(context), "{items:?}");
            let call = of("curl");
            assert!(call.contains(segment) && !call.contains("touch x"), "{call}");
        }
    }

    #[test]
    fn a_command_without_a_known_context_says_what_to_do_and_guesses_none() {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let (settings, keymap) = (Settings::defaults(), Keymap::default());
        let mut state = State::new(settings, keymap, PersistedState::default(), at, 1);
        let shop = cluster("shop", Phase::Completed);
        state.view.cursor = Some(shop.id.clone());
        state.fleet.put(Entry::new(shop.clone(), at, RequestId(1)));
        let watch = |state: &State| {
            let items = copy_items(state);
            let item = items.into_iter().find(|item| item.text.starts_with("kubectl")).unwrap();
            assert_eq!(item.label, "watch the nodes");
            item.lacks_context()
        };
        assert!(watch(&state));
        let mut copied = access(&shop, true, "");
        copied.location = KubeconfigLocation::Clipboard;
        state.credentials.accesses = vec![copied];
        assert!(watch(&state), "the clipboard has no context");
        state.credentials.accesses.push(access(&shop, true, "~/.kube/config"));
        assert!(!watch(&state));
    }
}
