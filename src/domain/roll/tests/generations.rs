//! Which nodes are old, by what of templates, labels, marks and times can be read.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::domain::roll::Roll;
use crate::domain::roll::generation::{EstimateReason, RollStage, pool_of, rollout_stage};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::PoolState;
use crate::domain::roll::tests::tracking::{NEW, OLD, draining, node, snapshot, template};
use crate::domain::roll::tests::{ago, at_once, cluster};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::snapshot::{Node, Templates};

const THIRD: &str = "gardener-node-agent-web-0000000000000003";
/// Long before the start, which was 180 minutes ago.
const BEFORE: i64 = 9_000;

/// A node with a label ("" without one), created so many minutes ago. Signs: m marked for deletion, r its deployment
/// rolls, d drains since the start, D since before it.
fn labelled((label, minutes, signs): (&str, i64, &str)) -> Node {
    let of = |sign: char| signs.contains(sign);
    let plain = Node {
        generation: Some(label.to_owned()).filter(|label| !label.is_empty()),
        marked_for_deletion: of('m'),
        rolling: of('r'),
        ..node("web", "eu01-1", ago(minutes), label)
    };
    match () {
        () if of('d') => draining(plain, ago(5)),
        () if of('D') => draining(plain, ago(200)),
        () => plain,
    }
}

/// Per node whether it is old or new, the state of the pool, and whether it is another roll.
fn judged(
    phase: Phase,
    has_start: bool,
    templates: &Templates,
    nodes: &[(&str, i64, &str)],
) -> (String, PoolState, bool, Roll) {
    let mut subject = cluster(phase);
    subject.pools[0].minimum = 0;
    subject.rotation.initiated = subject.rotation.initiated.filter(|_| has_start);
    let named = nodes.iter().enumerate().map(|(number, of)| {
        let node = labelled(*of);
        Node { name: format!("web-{number}"), uid: number.to_string(), ..node }
    });
    let mut seen = snapshot(named.collect());
    seen.templates = templates.clone();
    let roll = at_once(&subject, &seen);
    let sign = |number: usize| {
        let node = roll.nodes().find(|node| node.uid == number.to_string()).unwrap();
        if node.stage.is_old() { 'o' } else { 'n' }
    };
    let signs = (0..nodes.len()).map(sign).collect();
    (signs, roll.pools[0].state, roll.pools[0].another, roll)
}

/// Templates, nodes, which of them are old, state of the pool, another roll.
type Row<'a> = (Templates, &'a [(&'a str, i64, &'a str)], &'a str, PoolState, bool);

#[test]
fn a_node_is_old_by_the_best_that_can_be_read() {
    use Phase::{Prepared, Preparing};
    use PoolState::{NotBegun, Rolling, Settled};
    let hidden = || Templates::Forbidden;
    let known = |name, minutes| Templates::Known(vec![template(name, ago(minutes))]);
    let (old, new, third) = (OLD, NEW, THIRD);
    let with_start: [Row<'_>; 20] = [
        (hidden(), &[(old, BEFORE, ""), (old, BEFORE, "")], "oo", NotBegun, false),
        (hidden(), &[(old, BEFORE, "m"), (old, BEFORE, "")], "oo", Rolling, false),
        (hidden(), &[(old, BEFORE, "r")], "o", Rolling, false),
        (hidden(), &[(old, BEFORE, "d")], "o", Rolling, false),
        (hidden(), &[(old, BEFORE, "D")], "o", NotBegun, false),
        (hidden(), &[(old, BEFORE, ""), (new, 50, "")], "on", Rolling, false),
        (hidden(), &[(third, 100, ""), (new, 50, "")], "on", Rolling, true),
        (hidden(), &[(new, 50, ""), (third, 100, "")], "no", Rolling, true),
        (hidden(), &[("", BEFORE, ""), ("", 50, "")], "on", Rolling, false),
        (hidden(), &[("", BEFORE, "")], "o", NotBegun, false),
        (hidden(), &[("", BEFORE, "m")], "o", Rolling, false),
        (known(old, BEFORE), &[(old, BEFORE, ""), (old, 50, "")], "oo", NotBegun, false),
        (
            known(third, BEFORE),
            &[(old, BEFORE, ""), (third, BEFORE, ""), (old, 50, "")],
            "ooo",
            NotBegun,
            false,
        ),
        (known(old, BEFORE), &[(old, BEFORE, ""), (new, 50, "")], "on", Rolling, false),
        (known(old, BEFORE), &[(old, BEFORE, ""), ("", 50, "")], "oo", NotBegun, false),
        (known(old, BEFORE), &[(old, BEFORE, "m")], "o", NotBegun, false),
        (
            known(new, 174),
            &[(old, BEFORE, "m"), (new, 50, ""), (new, 40, "m")],
            "ono",
            Rolling,
            true,
        ),
        (known(new, 174), &[("", BEFORE, "m"), (new, 50, "")], "on", Rolling, false),
        (known(new, 174), &[(old, BEFORE, ""), (old, 50, "")], "oo", Rolling, false),
        (known(new, 174), &[(new, 50, "")], "n", PoolState::AllNew, false),
    ];
    let without: [Row<'_>; 8] = [
        (hidden(), &[(old, BEFORE, ""), (new, 50, "")], "on", Rolling, false),
        (hidden(), &[(new, 60, ""), (new, 50, "")], "oo", NotBegun, false),
        (hidden(), &[(old, BEFORE, "m"), (new, 50, ""), (new, 40, "")], "onn", Rolling, false),
        (
            hidden(),
            &[("", BEFORE, "m"), ("", BEFORE + 9, "m"), ("", BEFORE, ""), ("", 50, "")],
            "ooon",
            Rolling,
            false,
        ),
        (known(new, 174), &[("", BEFORE, "")], "o", NotBegun, false),
        (known(new, 174), &[(new, 50, "")], "o", NotBegun, false),
        (known(new, 174), &[(new, 50, "m")], "o", Rolling, true),
        (known(new, 174), &[(old, BEFORE, ""), (new, 50, "")], "on", Rolling, false),
    ];
    let after: [Row<'_>; 3] = [
        (hidden(), &[(new, 100, "m"), (new, 100, ""), (third, 50, "")], "oon", Rolling, true),
        (hidden(), &[(new, 100, ""), (third, 50, "")], "nn", Settled, false),
        (known(new, 174), &[(new, 100, "m"), (new, 50, "")], "on", Rolling, true),
    ];
    let all = with_start.iter().map(|row| (Preparing, true, row));
    let all = all.chain(without.iter().map(|row| (Preparing, false, row)));
    for (phase, has_start, row) in all.chain(after.iter().map(|row| (Prepared, true, row))) {
        let (templates, nodes, signs, state, another) = row;
        let found = judged(phase, has_start, templates, nodes);
        let (found_signs, found_state, found_another, _) = &found;
        assert_eq!(
            (found_signs.as_str(), found_state, found_another),
            (*signs, state, another),
            "{templates:?} {nodes:?} {has_start}"
        );
    }
}

#[test]
fn a_marked_node_without_a_label_makes_no_estimate() {
    let known = Templates::Known(vec![template(NEW, ago(174))]);
    let reasons = |signs| {
        let nodes = [("", BEFORE, signs), (NEW, 50, "")];
        judged(Phase::Preparing, true, &known, &nodes).3.estimate_reasons
    };
    assert_eq!(reasons("m"), BTreeSet::new());
    // Such nodes are no sign of a template that has not been read yet.
    let early = |nodes: &[_]| {
        let known = Templates::Known(vec![template(THIRD, ago(BEFORE))]);
        judged(Phase::Preparing, true, &known, nodes).3.estimate_reasons
    };
    assert_eq!(early(&[(OLD, BEFORE, ""), (OLD, 50, "")]), BTreeSet::new());
    assert_eq!(early(&[(THIRD, BEFORE, ""), (THIRD, 50, "")]), BTreeSet::new());
    assert_eq!(reasons(""), BTreeSet::from([EstimateReason::LabelsAbsent]));
    let unread = judged(Phase::Preparing, true, &Templates::Unread, &[(OLD, BEFORE, "")]).3;
    assert_eq!(unread.estimate_reasons, BTreeSet::from([EstimateReason::TemplatesUnread]));
}

#[test]
fn a_template_that_cannot_be_read_any_more_is_no_other_roll() {
    let mut seen = snapshot(vec![labelled((OLD, BEFORE, "m"))]);
    seen.templates = Templates::Forbidden;
    let mut history = RollHistory::default();
    history.first_templates.insert("web".into(), NEW.into());
    let roll = Roll::evaluate(&cluster(Phase::Preparing), &seen, &history, ago(0));
    assert!(!roll.pools[0].another);
    // After it, only a mark tells that a node of its template is replaced once more.
    for (signs, another) in [("m", true), ("", false)] {
        let nodes = vec![labelled((NEW, 100, signs)), labelled((THIRD, 150, ""))];
        let mut seen = snapshot(nodes);
        seen.templates = Templates::Known(vec![template(NEW, ago(174))]);
        let roll = Roll::evaluate(&cluster(Phase::Prepared), &seen, &history, ago(0));
        assert_eq!(roll.pools[0].another, another, "{signs}");
    }
}

#[test]
fn an_unknown_phase_rolls_only_while_a_rotation_is_open() {
    let later = ago(10).checked_add(SignedDuration::from_secs(1)).ok();
    for (initiated, completed, stage) in [
        (None, None, RollStage::Before),
        (None, later, RollStage::Before),
        (Some(ago(10)), None, RollStage::Rolling),
        (later, Some(ago(10)), RollStage::Rolling),
        (Some(ago(10)), Some(ago(10)), RollStage::After),
        (Some(ago(10)), later, RollStage::After),
    ] {
        let phase = Phase::Unknown("SOON".into());
        let rotation = Rotation { phase, initiated, completed };
        assert_eq!(rollout_stage(&rotation), stage, "{rotation:?}");
    }
}

#[test]
fn a_node_without_a_pool_belongs_to_that_of_its_template() {
    let of = |label| Node { pool: String::new(), ..labelled((label, 50, "")) };
    let pools = BTreeSet::from(["web".to_owned()]);
    let mut db = template("a-name", ago(1));
    db.pool = "db".into();
    let known = Templates::Known(vec![template(OLD, ago(2)), db]);
    for (label, templates, pool) in [
        ("a-name", &known, "db"),
        ("a-name", &Templates::Forbidden, ""),
        (NEW, &known, "web"),
        ("", &known, ""),
    ] {
        assert_eq!(pool_of(&of(label), templates, &pools), pool, "{label}");
    }
}
