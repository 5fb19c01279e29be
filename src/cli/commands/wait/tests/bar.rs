//! The bar.

use proptest::prelude::*;

use crate::app::outage::Outage;
use crate::app::session::window::Progress;
use crate::app::settings::{Settings, ThemeChoice};
use crate::cli::commands::wait::bar::draw;
use crate::cli::commands::wait::tests::{Scene, after, blocked, seen};
use crate::domain::cluster::ReportedError;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::Phase;
use crate::domain::text::width;
use crate::ui::theme::Theme;

fn theme(choice: ThemeChoice, ascii: bool) -> Theme {
    Theme::new(choice, None, &Settings { ascii, ..Settings::defaults() })
}

/// Strips colours.
fn bare(drawn: &str) -> String {
    let mut out = String::new();
    let mut rest = drawn;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    out + rest
}

fn drawn(scene: &Scene, second: u64, columns: usize) -> String {
    bare(&draw(&scene.at(second), after(0), theme(ThemeChoice::Mono, false), columns))
}

#[test]
fn the_bar_shows_name_phase_progress_estimate_and_waiting_time() {
    assert_eq!(
        drawn(&Scene::rolling(seen(9)), 720, 120),
        "shop-prod PREPARING ▰▰▰▰▰▰▱▱▱▱ 6 of 15 nodes left to replace, about 40–60m left  waited 12m"
    );
}

#[test]
fn the_blocker_is_cut_last_in_a_narrow_terminal() {
    let held = Scene::rolling(blocked(9));
    let whole = "shop-prod PREPARING ▰▰▰▰▰▰▱▱▱▱ 6 of 15 nodes left to replace, about 40–60m left, 1 node blocked; \
                 PDB payments/api allows no evictions now · web-7 blocked 48m  waited 90s";
    assert_eq!(drawn(&held, 90, 200), whole);
    let columns = width(whole);
    assert_eq!(drawn(&held, 90, columns - 1), whole.strip_suffix("  waited 90s").unwrap());
    let without_bar = drawn(&held, 90, columns - 20);
    assert!(without_bar.starts_with("shop-prod PREPARING 6 of 15"), "{without_bar}");
    assert!(
        without_bar.ends_with("payments/api allows no evictions now · web-7 blocked 48m"),
        "{without_bar}"
    );
    let short = "shop-prod PREPARING 6 of 15 left to replace; PDB payments/api allows no evictions now · web-7 blocked 48m";
    assert_eq!(drawn(&held, 90, width(short)), short);
    let narrow =
        "shop-prod PREPARING 9/15; PDB payments/api allows no evictions now · web-7 blocked 48m";
    assert_eq!(drawn(&held, 90, 100), narrow);
    assert_eq!(drawn(&held, 90, 40), "shop-prod PREPARING 9/15; PDB payments/…");
    for columns in 0..40 {
        let line = drawn(&held, 90, columns);
        assert!(!line.trim_end_matches([' ', '…']).ends_with(';'), "{line:?}");
    }
    assert_eq!(drawn(&held, 90, 0), "");
}

#[test]
fn the_bar_shows_outages_and_searches() {
    let failure = Failure::new(FailureKind::Server, "HTTP 503");
    let outage = Some(Outage::new(failure, after(0)));
    let out = Scene { outage, ..Scene::rolling(seen(9)) };
    let text = drawn(&out, 300, 120);
    assert!(text.contains("SKE reads failing for 5m: HTTP 503; 6 of 15"), "{text}");
    assert!(!drawn(&out, 10, 120).contains("503"), "a short outage is not shown");
    let mut search = Scene::new(Phase::Never);
    search.cluster = None;
    assert_eq!(drawn(&search, 1, 80), "shop-prod searching  waited 1s");
}

#[test]
fn tty_11_ascii_is_ascii() {
    let held = Scene::rolling(blocked(9));
    for columns in [20, 60, 200] {
        let line = draw(&held.at(90), after(0), theme(ThemeChoice::Auto, true), columns);
        assert!(line.is_ascii(), "{line:?}");
    }
    let line = draw(&held.at(90), after(0), theme(ThemeChoice::Mono, true), 200);
    assert!(
        bare(&line).contains("PREPARING ######.... 6 of 15 nodes left to replace, about 40-60m"),
        "{line}"
    );
}

#[test]
fn without_colours_nothing_is_coloured() {
    let coloured =
        |choice| draw(&Scene::rolling(blocked(9)).at(90), after(0), theme(choice, false), 200);
    assert!(coloured(ThemeChoice::Auto).contains("\u{1b}[1;31m"), "the blocker is red");
    let mono = coloured(ThemeChoice::Mono);
    for part in mono.split("\u{1b}[").skip(1) {
        let codes = part.split_once('m').unwrap().0;
        assert!(
            codes.split(';').all(|code| matches!(code, "0" | "1" | "2" | "4" | "7")),
            "{mono:?}"
        );
    }
}

#[test]
fn terminal_progress_follows_the_roll() {
    assert_eq!(Scene::rolling(seen(9)).at(0).progress(), Progress::Percent(60));
    assert_eq!(Scene::rolling(blocked(9)).at(0).progress(), Progress::Blocked(60));
    assert_eq!(Scene::new(Phase::Completing).at(0).progress(), Progress::Unknown);
    assert_eq!(Scene::new(Phase::Prepared).at(0).progress(), Progress::None);
}

proptest! {
    #![proptest_config(crate::property_cases(256))]

    /// Whatever the server sends, the line fits, and contains no control characters except colour sequences.
    #[test]
    fn the_line_fits_and_is_clean(
        columns in 0_usize..160,
        phase in ".{0,40}",
        message in ".{0,80}",
        ascii in any::<bool>(),
    ) {
        let mut scene = Scene::new(Phase::Unknown(phase));
        if let Some(cluster) = &mut scene.cluster {
            cluster.problems.push(ReportedError { code: "SKE_X".into(), message });
        }
        let line = bare(&draw(&scene.at(5), after(0), theme(ThemeChoice::Auto, ascii), columns));
        prop_assert!(width(&line) <= columns, "{line:?}");
        prop_assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        prop_assert!(!ascii || line.is_ascii(), "{line:?}");
    }
}
