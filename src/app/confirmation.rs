//! A question that the user confirms or cancels.

use crate::app::keymap::Command;
use crate::app::shared::{Guard, Shared};

/// The buttons of a question; cancel has the focus at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    /// Whether the confirm button has the focus.
    pub confirms: bool,
    pub guard: Guard,
}

impl Confirmation {
    /// A question that appears now.
    pub fn new(shared: &Shared) -> Self {
        Self { confirms: false, guard: shared.guard() }
    }

    /// A key while the question is open; returns the answer once the user gives one.
    pub fn key(&mut self, command: Command, shared: &Shared) -> Option<bool> {
        self.confirms ^= command.is_turn();
        if command == Command::Back {
            return Some(false);
        }
        let pressed = command == Command::Open && shared.may_press(self.guard);
        pressed.then_some(self.confirms)
    }

    /// A click on the confirm button: focuses it, or presses it if already focused.
    pub fn click(&mut self, shared: &Shared) -> Option<bool> {
        let was_focused = std::mem::replace(&mut self.confirms, true);
        if was_focused { self.key(Command::Open, shared) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::confirmation::Confirmation;
    use crate::app::keymap::{Command, Keymap};
    use crate::app::now::Now;
    use crate::app::settings::Settings;
    use crate::app::shared::Shared;
    use crate::app::state::State;
    use crate::domain::fixtures::now;
    use crate::domain::persisted::PersistedState;

    fn shared() -> Shared {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let (settings, keymap) = (Settings::defaults(), Keymap::default());
        State::new(settings, keymap, PersistedState::default(), at, 1).shared
    }

    #[test]
    fn the_safe_answer_has_the_focus_and_no_button_works_at_once() {
        let mut shared = shared();
        let mut question = Confirmation::new(&shared);
        shared.key_count += 1;
        assert_eq!(question.key(Command::Open, &shared), None, "a key typed ahead");
        assert_eq!(question.key(Command::Back, &shared), Some(false));
        shared.now.monotonic = Duration::from_secs(1);
        assert_eq!(question.key(Command::Open, &shared), Some(false));
        assert_eq!(question.key(Command::Right, &shared), None);
        assert_eq!(question.key(Command::Open, &shared), Some(true));
        assert_eq!(question.key(Command::Up, &shared), None);
    }

    #[test]
    fn a_first_click_only_focuses() {
        let mut shared = shared();
        let mut question = Confirmation::new(&shared);
        (shared.key_count, shared.now.monotonic) = (1, Duration::from_secs(1));
        assert_eq!((question.click(&shared), question.confirms), (None, true));
        assert_eq!(question.click(&shared), Some(true));
    }
}
