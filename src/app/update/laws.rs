//! Laws of the machine under any sequence of messages.
#![expect(clippy::wildcard_enum_match_arm, reason = "effects that nobody answers here")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::app::effect::{Effect, OnTerminal};
use crate::app::fleet::Entry;
use crate::app::keymap::Keymap;
use crate::app::message::{Listing, Message, Now, RequestId, RotateOutcome, Sequence};
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::app::update::{begin, next_wake, settle, update};
use crate::domain::cluster::{Cluster, ClusterId, ProjectId, Region};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{self, now};
use crate::domain::kept::Kept;
use crate::domain::observed::{Node, Picture, Sighting, Template, Templates, Terminating, Trouble};
use crate::domain::rotation::Phase;

#[derive(Debug, Clone)]
enum Event {
    Key(char),
    Named(KeyCode),
    Pass(u64),
    Jump(i64),
    Answer(u8),
    Sight(u8),
    Paste(String),
    Resize(u16, u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::sample::select("RKAWCsyca/:?jkgGp1234%uTrq xbweo-prd".chars().collect::<Vec<_>>())
            .prop_map(Event::Key),
        5 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Left, KeyCode::Right,
            KeyCode::Up, KeyCode::Down, KeyCode::Backspace,
        ])
        .prop_map(Event::Named),
        3 => (0_u64..90).prop_map(Event::Pass),
        1 => (-100_000_i64..100_000).prop_map(Event::Jump),
        6 => any::<u8>().prop_map(Event::Answer),
        4 => any::<u8>().prop_map(Event::Sight),
        1 => ".{0,20}".prop_map(Event::Paste),
        1 => (0_u16..300, 0_u16..100).prop_map(|(w, h)| Event::Resize(w, h)),
    ]
}

/// Plays the world: keeps effects that wait for an answer, and answers one when told to.
struct World {
    clusters: BTreeMap<ClusterId, Cluster>,
    waiting: Vec<Effect>,
    rotations: BTreeMap<ClusterId, usize>,
    looked_at: BTreeMap<ClusterId, Sequence>,
}

/// Clusters that may be looked at at once.
const LIMIT: usize = 2;

impl World {
    fn new() -> Self {
        let phases = [Phase::Never, Phase::Prepared, Phase::Completed, Phase::Preparing];
        let clusters = ["web", "box", "pod", "ore"]
            .into_iter()
            .zip(phases)
            .map(|(name, phase)| fixtures::cluster(name, phase))
            .map(|cluster| (cluster.id.clone(), cluster))
            .collect();
        Self {
            clusters,
            waiting: Vec::new(),
            rotations: BTreeMap::new(),
            looked_at: BTreeMap::new(),
        }
    }

    fn take(&mut self, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            if let Effect::Rotate { shown, .. } = &effect {
                let under_way = self.rotations.entry(shown.id.clone()).or_default();
                *under_way += 1;
                prop_assert!(*under_way <= 1, "two writes at once for {}", shown.id);
            }
            match &effect {
                Effect::Observe { cluster, number, .. } => {
                    prop_assert!(
                        self.looked_at.insert(cluster.id.clone(), *number).is_none(),
                        "looked at twice"
                    );
                    prop_assert!(self.looked_at.len() <= LIMIT, "{:?}", self.looked_at);
                }
                Effect::Unobserve(id) => {
                    prop_assert!(self.looked_at.remove(id).is_some(), "{id} was not looked at");
                }
                Effect::Reading(cluster) => {
                    prop_assert!(self.looked_at.contains_key(&cluster.id), "nobody looks");
                }
                _ => {}
            }
            self.waiting.push(effect);
        }
        Ok(())
    }

    /// What one of those that look sees.
    fn sight(&self, dice: u8) -> Option<Message> {
        let (id, number) = self.looked_at.iter().nth(usize::from(dice) % LIMIT)?;
        let (id, number) = (id.clone(), *number);
        let broken = Failure::new(FailureKind::Unreachable, "no answer");
        let sighting = match dice / 4 % 8 {
            0 => Sighting::Trouble(Trouble::Connecting),
            1 => Sighting::Trouble(Trouble::Unreachable(broken)),
            2 => Sighting::Trouble(Trouble::OneWay),
            nodes => Sighting::Picture(Arc::new(picture(nodes))),
        };
        Some(Message::Sighted { id, number, sighting })
    }

    fn answer(&mut self, dice: u8) -> Option<Message> {
        if self.waiting.is_empty() {
            return None;
        }
        let effect = self.waiting.remove(usize::from(dice) % self.waiting.len());
        let broken = || Failure::new(FailureKind::Unreachable, "the connection broke");
        let works = !dice.is_multiple_of(3);
        match effect {
            Effect::List { sequence, scope } => Some(Message::Listed {
                sequence,
                scope,
                result: if works {
                    let clusters =
                        self.clusters.values().skip(usize::from(dice.is_multiple_of(5))).cloned();
                    Ok(Listing {
                        clusters: clusters.collect(),
                        skipped: 0,
                        skew: SignedDuration::ZERO,
                    })
                } else {
                    Err(broken())
                },
            }),
            Effect::Read { sequence, id } => Some(Message::Read {
                sequence,
                result: match self.clusters.get(&id) {
                    Some(cluster) if works => Ok((Box::new(cluster.clone()), SignedDuration::ZERO)),
                    _ => Err(broken()),
                },
                id,
            }),
            Effect::Rotate { request, shown, .. } => {
                self.rotations.remove(&shown.id);
                let outcome = match dice % 4 {
                    0 => RotateOutcome::Unknown(broken(), SignedDuration::ZERO),
                    1 => RotateOutcome::Refused(Failure::new(FailureKind::Refused, "no")),
                    2 => RotateOutcome::Changed(shown.clone()),
                    _ => RotateOutcome::Accepted { trace: None, skew: SignedDuration::ZERO },
                };
                Some(Message::Rotated { request, id: shown.id.clone(), outcome })
            }
            Effect::Act { request, id, action, .. } => {
                Some(Message::Acted { request, id, action, result: Ok(None) })
            }
            Effect::Issue { request, .. } => {
                Some(Message::Issued { request, result: Err(broken()) })
            }
            _ => None,
        }
    }
}

/// So many nodes, some of them old, the first one draining for hours.
fn picture(nodes: u8) -> Picture {
    let node = |index: u8| Node {
        uid: index.to_string(),
        name: format!("node-{index}"),
        pool: "web".into(),
        zone: format!("eu01-{}", index % 3 + 1),
        created: Some(now()),
        generation: Some(format!("web-{}", index % 2)),
        checksum: None,
        version: String::new(),
        doomed: index.is_multiple_of(2),
        rolling: true,
        cordoned: index == 0,
        terminating: (index == 0).then(|| Terminating {
            since: now().checked_sub(SignedDuration::from_hours(1)).ok(),
            reason: String::new(),
        }),
        ready: true,
        ready_changed: None,
        not_ready_because: None,
        still_joining: false,
        preserved: false,
    };
    let template = Template {
        name: "web-1".into(),
        pool: "web".into(),
        created: now().checked_sub(SignedDuration::from_hours(2)).ok(),
        checksum: None,
    };
    Picture {
        nodes: (0..nodes).map(|index| Arc::new(node(index))).collect(),
        templates: Templates::Known(vec![template]),
        ..Picture::default()
    }
}

fn machine() -> (State, World) {
    let mut settings = Settings::defaults();
    settings.projects = vec![(ProjectId::new("5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21"), None)];
    settings.regions = vec![Region::new("eu01")];
    settings.watch_limit = LIMIT;
    let now = Now { wall: now(), steady: Duration::ZERO };
    (State::new(settings, Keymap::default(), Kept::default(), now, 3), World::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_sequence_of_messages_breaks_the_machine(events in prop::collection::vec(event(), 1..160)) {
        let (mut state, mut world) = machine();
        let effects = begin(&mut state);
        world.take(effects)?;
        let mut now = state.now;
        let mut confirmations = 0_usize;
        for event in events {
            now.steady += Duration::from_millis(450);
            now.wall = now.wall.saturating_add(SignedDuration::from_millis(450)).unwrap();
            let mut pressed_enter = false;
            let message = match event {
                Event::Key(c) => Message::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)),
                Event::Named(code) => {
                    pressed_enter = code == KeyCode::Enter;
                    Message::Key(KeyEvent::new(code, KeyModifiers::NONE))
                }
                Event::Pass(seconds) => {
                    now.steady += Duration::from_secs(seconds);
                    let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
                    now.wall = now.wall.saturating_add(by).unwrap();
                    Message::Ticked
                }
                Event::Jump(seconds) => {
                    now.wall = now.wall.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
                    Message::Ticked
                }
                Event::Answer(dice) => match world.answer(dice) {
                    Some(message) => message,
                    None => continue,
                },
                Event::Sight(dice) => match world.sight(dice) {
                    Some(message) => message,
                    None => continue,
                },
                Event::Paste(text) => Message::Pasted(text),
                Event::Resize(width, height) => Message::Resized(width, height),
            };
            let effects = update(&mut state, now, message);
            let writes = effects.iter().filter(|e| matches!(e, Effect::Rotate { .. })).count();
            prop_assert!(writes == 0 || pressed_enter, "a write without a confirmation");
            confirmations += writes;
            prop_assert!(state.last_request >= RequestId(u64::try_from(confirmations).unwrap()));
            world.take(effects)?;
            settle(&mut state);
            prop_assert!(state.observing.keys().eq(world.looked_at.keys()));
            let roll = |entry: &&Entry| entry.cluster.rotation.phase == Phase::Preparing;
            let rolling = state.fleet.entries.values().filter(roll).map(|e| &e.cluster.id);
            prop_assert!(state.fleet.rolling.iter().eq(rolling));
            prop_assert!(state.fleet.entries.len() <= 4);
            prop_assert!(state.errors.len() <= 20 && state.activity.len() <= 500);
            prop_assert!(next_wake(&state).is_none_or(|wake| wake >= now.steady));
            prop_assert!(state.fleet.shown.iter().all(|id| state.fleet.entries.contains_key(id)));
            if state.quitting {
                break;
            }
        }
        // A quit always comes to an end.
        let effects = update(&mut state, now, Message::Terminated);
        prop_assert!(state.quitting);
        let quits = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Terminal(OnTerminal::Quit { .. })));
        prop_assert!(quits || effects.is_empty());
    }
}
