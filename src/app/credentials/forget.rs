//! Forgets a kubeconfig that was copied or printed and then thrown away.

use crate::app::cluster::tabs::Tab;
use crate::app::context::UpdateContext;
use crate::app::credentials::state::ForgetQuestion;
use crate::app::credentials::text;
use crate::app::state::State;
use crate::app::text::{READ_ONLY, refused};
use crate::domain::credential::Credentials;
use crate::domain::record::Outcome;

/// The question about the credential under the cursor of the credentials tab.
///
/// # Errors
/// Why it cannot be forgotten, as a sentence that starts with the action.
pub fn question(state: &State) -> Result<ForgetQuestion, String> {
    let on_tab = state.screen.tab() == Some(Tab::Credentials);
    let Some(entry) = state.subject().filter(|_| on_tab) else {
        return Err(text::FORGET_ELSEWHERE.to_owned());
    };
    let cluster = &entry.cluster;
    let mut listed = state.known_credentials(cluster);
    if listed.is_empty() {
        return Err(text::FORGET_NOTHING.to_owned());
    }
    let known = listed.swap_remove(state.inventory.cursor.min(listed.len() - 1));
    if let Some((path, context)) = known.location.entry() {
        return Err(text::forget_in_file(context, path));
    }
    if state.shared.settings.read_only {
        return Err(refused(text::FORGET, READ_ONLY));
    }
    let effect = text::forget_effect(&known, |at| state.zone().full(at));
    Ok(ForgetQuestion { cluster: cluster.id.clone(), created: cluster.created, known, effect })
}

/// Forgets it; returns whether anything changed.
pub fn forget(
    credentials: &mut Credentials,
    question: &ForgetQuestion,
    cx: &mut UpdateContext<'_>,
) -> bool {
    let ForgetQuestion { cluster, created, known, .. } = question;
    if !credentials.forget(cluster, *created, known) {
        return false;
    }
    let location = known.location.describe();
    let text = text::log_forgotten(known.kind.label(), &location);
    let record = cx.record(Some(cluster), "forget", Outcome::Done, text);
    cx.journal(record.ending(known.expires));
    cx.toast(text::forgotten(location));
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::cluster::tabs::Tab;
    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::state::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::message::Message;
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::screen::Screen;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::update;
    use crate::domain::credential::{Access, KubeconfigLocation};
    use crate::domain::fixtures::{access, cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;

    const AT: Now = Now { wall: jiff::Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };

    /// The credentials tab with a copied kubeconfig from before the start, then one in a file.
    fn on_tab() -> State {
        let at = Now { wall: now(), ..AT };
        let (settings, keymap) = (Settings::defaults(), Keymap::default());
        let mut state = State::new(settings, keymap, PersistedState::default(), at, 1);
        let shop = cluster("shop", Phase::Prepared);
        let in_file = access(&shop, false, "~/.kube/config");
        let copied = Access { location: KubeconfigLocation::Clipboard, ..in_file.clone() };
        state.credentials.accesses = vec![copied, in_file];
        state.screen = Screen::Cluster { id: shop.id.clone(), tab: Tab::Credentials };
        state.fleet.put(Entry::new(shop, at, RequestId(1)));
        state.inventory.files = Some(Arc::default());
        state.shared.metrics.scroll_last = 5;
        state
    }

    fn press(state: &mut State, keys: &[KeyCode]) -> Vec<Effect> {
        let key = |code: &KeyCode| Message::Key(KeyEvent::new(*code, KeyModifiers::NONE));
        let at = Now { wall: now(), ..AT };
        keys.iter().flat_map(|code| update(state, at, key(code))).collect()
    }

    fn listed(state: &State) -> usize {
        state.known_credentials(&cluster("shop", Phase::Prepared)).len()
    }

    fn toast(state: &State) -> &str {
        state.notices.toast.as_ref().map_or("", |toast| &toast.text)
    }

    #[test]
    fn a_copied_kubeconfig_is_forgotten_once_confirmed_recorded_and_saved() {
        let mut state = on_tab();
        press(&mut state, &[KeyCode::Char('f'), KeyCode::Enter]);
        assert_eq!((listed(&state), state.menu.is_some()), (2, false), "Enter alone keeps it");
        press(&mut state, &[KeyCode::Char('f'), KeyCode::Esc]);
        assert_eq!(listed(&state), 2);
        press(&mut state, &[KeyCode::Char('f'), KeyCode::Down]);
        // What is asked about is pinned: another row may be under the cursor by then.
        state.inventory.cursor = 1;
        let effects = press(&mut state, &[KeyCode::Enter]);
        assert_eq!(listed(&state), 1);
        let saved = effects.iter().find_map(|effect| {
            let Effect::Request(_, Request::Persist(kept, _)) = effect else { return None };
            Some(&kept.credentials.accesses)
        });
        assert!(saved.is_some_and(|accesses| accesses.iter().any(|access| access.forgotten)));
        let told = effects.iter().find_map(|effect| {
            let Effect::Journal(record) = effect else { return None };
            Some((record.action.as_str(), record.text.as_str()))
        });
        let text = "client certificate, clipboard: no longer listed, not revoked";
        assert_eq!(told, Some(("forget", text)));
        assert_eq!(toast(&state), "Forgotten: clipboard. It was not revoked.");
    }

    #[test]
    fn what_is_in_a_file_is_refused_with_its_place() {
        let mut state = on_tab();
        state.inventory.cursor = 1;
        press(&mut state, &[KeyCode::Char('f')]);
        assert!(state.menu.is_none());
        assert_eq!(toast(&state), "Forget: context shop is in ~/.kube/config; remove it there");
        state.inventory.cursor = 0;
        state.shared.settings.read_only = true;
        press(&mut state, &[KeyCode::Char('f')]);
        assert!(
            state.menu.is_none() && toast(&state).starts_with("Forget: read-only"),
            "{}",
            toast(&state)
        );
        state.shared.settings.read_only = false;
        state.screen = Screen::Fleet;
        let question = super::question(&state);
        assert_eq!(question, Err("Forget: open the credentials tab".to_owned()));
    }
}
