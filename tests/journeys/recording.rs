//! The recording in the README: one rotation from start to completed, as an animated SVG. Created like the pictures:
//!
//! `SKEYS_DRAW_PICTURES=1 cargo test --test journeys recording` redraws it into `assets/pictures`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ratatui::buffer::Buffer;
use skeys::testing::app::settings::ObservationScope;

use crate::pictures::{CELL, DARK, LIGHT, MARGIN, Paper, STYLE, at, draw_row, hold, is_redrawn};
use crate::simulated_cluster::observing;
use crate::support::{Journey, Setting};

const CLUSTERS: &str = r#"
[[projects.clusters]]
name = "shop-prod"
age = "900d"
initiated_ago = "212d"
completed_ago = "211d"
pools = [{ name = "web", nodes = 6 }]
[[projects.clusters]]
name = "shop-stage"
initiated_ago = "40d"
completed_ago = "39d"
[[projects.clusters]]
name = "shop-dev"
phase = "NEVER"
age = "30d"
[[projects.clusters]]
name = "ledger"
initiated_ago = "11d"
completed_ago = "10d"
"#;

/// A screen, its caption, and its duration in tenths of a second.
struct Frame {
    screen: Buffer,
    caption: &'static str,
    tenths: u32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recording_of_a_rotation_matches_the_program() {
    let mut drawn = Vec::new();
    for paper in [DARK, LIGHT] {
        let svg = film(&record(&paper).await, &paper);
        assert!(svg.len() < 500_000, "{} bytes are many to load with a page", svg.len());
        drawn.push((format!("recording{}", paper.name), svg));
    }
    hold(drawn);
}

/// Lets virtual time pass, and gives the cluster's own API time to respond in between, so that every recording has the
/// same bytes.
async fn pass(journey: &mut Journey, step: u64, steps: u64) {
    let pause = Duration::from_millis(if is_redrawn() { 150 } else { 3 });
    for _ in 0..steps {
        // Events right after a snapshot wait for the next one, which takes a moment of virtual time.
        for part in [step - 1, 1] {
            journey.pass(part, 1).await;
            tokio::time::sleep(pause).await;
            journey.settle().await;
        }
    }
}

async fn record(paper: &Paper) -> Vec<Frame> {
    let setting = Setting { size: (100, 30), ..observing(ObservationScope::Running, CLUSTERS) };
    let mut journey = Journey::with(setting.set("SKEYS_DISPLAY_THEME", paper.theme.label())).await;
    let mut frames = Vec::new();
    let mut take = |journey: &Journey, tenths, caption| {
        frames.push(Frame { screen: journey.buffer(), caption, tenths });
    };
    journey.until("4 clusters", 10).await;
    take(&journey, 30, "The fleet. What needs somebody is on top: shop-prod is overdue.");
    journey.press("K").await;
    take(&journey, 25, "K: get access first: a kubeconfig, merged into ~/.kube/config");
    journey.press("<ctrl-o>").await;
    journey.says("Kubeconfig of shop-prod →");
    take(&journey, 20, "ctrl-o: issued and saved");
    journey.press("R").await;
    pass(&mut journey, 1, 20).await;
    take(&journey, 35, "R: what the start does, and what was checked before it");
    journey.press("<tab><enter>").await;
    take(&journey, 20, "tab, enter: the start is sent, once");
    journey.until("SKE shows preparing.", 60).await;
    journey.press("<enter><enter>").await;
    pass(&mut journey, 5, 6).await;
    take(&journey, 25, "enter: SKE makes new keys and replaces every node");
    journey.press("3").await;
    for _ in 0..30 {
        if journey.screen().contains("◑ PREPARED") {
            break;
        }
        // The API server restarts once, with another port in each run.
        if journey.screen().contains("127.0.0.1") {
            pass(&mut journey, 10, 6).await;
        }
        take(&journey, 10, "3: the nodes, as the cluster itself shows them");
        pass(&mut journey, 10, 15).await;
    }
    journey.press("2").await;
    pass(&mut journey, 10, 3).await;
    journey.shows("◑ PREPARED");
    take(&journey, 35, "PREPARED: old and new credentials work. Clients are renewed now.");
    journey.press("4").await;
    pass(&mut journey, 1, 20).await;
    take(&journey, 30, "4: every credential that is known, and what complete does to it");
    journey.press("K").await;
    pass(&mut journey, 1, 2).await;
    take(&journey, 25, "K: renew the entry in its place, after a look at the lines");
    journey.press("<enter><enter>").await;
    journey.until_slowly("1 of 1 renewed", 1, 60).await;
    journey.press("<enter>").await;
    take(&journey, 25, "renewed: it keeps working");
    journey.press("R").await;
    pass(&mut journey, 1, 20).await;
    journey.press("shop-prod").await;
    take(&journey, 35, "R: complete cannot be undone: the name is typed");
    journey.press("<enter><enter><tab><tab><enter>").await;
    journey.until_slowly("completing", 5, 60).await;
    journey.press("<enter>2").await;
    take(&journey, 20, "the old credentials are removed");
    journey.until_slowly("● completed", 10, 400).await;
    take(&journey, 50, "completed: only the new credentials work");
    frames
}

/// The frames side by side, shifted at their times. Identical rows are drawn once.
fn film(frames: &[Frame], paper: &Paper) -> String {
    let area = frames[0].screen.area;
    let (width, rows) = (at(area.width, CELL.0) + 2.0 * MARGIN, area.height);
    let height = at(rows + 2, CELL.1) + 2.0 * MARGIN;
    let all: u32 = frames.iter().map(|frame| frame.tenths).sum();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let (mut definitions, mut film, mut steps) = (String::new(), String::new(), String::new());
    let mut begins = 0;
    for (number, frame) in (0_u32..).zip(frames) {
        let left = f64::from(number) * width;
        let percent = f64::from(begins * 1000 / all) / 10.0;
        write!(steps, "{percent}%{{transform:translateX(-{left}px)}}").unwrap();
        begins += frame.tenths;
        writeln!(film, "<g transform=\"translate({} {MARGIN})\">", left + MARGIN).unwrap();
        for row in 0..rows {
            let mut drawn = String::new();
            draw_row(&mut drawn, &frame.screen, row, 0, paper);
            if drawn.is_empty() {
                continue;
            }
            let next = known.len();
            let id = *known.entry(drawn.clone()).or_insert(next);
            if id == next {
                writeln!(definitions, "<g id=\"r{id}\">\n{drawn}</g>").unwrap();
            }
            writeln!(film, "<use href=\"#r{id}\" y=\"{}\"/>", at(row, CELL.1)).unwrap();
        }
        let caption = frame.caption.replace('&', "&amp;").replace('<', "&lt;");
        let y = at(rows + 1, CELL.1) + 13.0;
        writeln!(
            film,
            "<text x=\"8.4\" y=\"{y}\" fill=\"{}\" font-weight=\"700\">{caption}</text>\n</g>",
            paper.ink
        )
        .unwrap();
    }
    let seconds = f64::from(all) / 10.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}\n@keyframes film{{{steps}}}\n.film{{animation:film {seconds}s steps(1,end) infinite}}\n\
         @media (prefers-reduced-motion:reduce){{.film{{animation:none}}}}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n\
         <defs>\n{definitions}</defs>\n<g class=\"film\">\n{film}</g>\n</svg>\n",
        paper.back
    )
}
