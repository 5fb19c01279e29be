//! The pictures of the README: the real program with the demo scene, as SVG.
//!
//! `SKEYS_DRAW_PICTURES=1 cargo test --test journeys pictures` redraws them into `assets/pictures`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use skeys::testing::app::settings::ThemeChoice;

use crate::support::{Journey, Setting};

pub const CELL: (f64, f64) = (8.4, 17.0);
/// Margin around the cells.
pub const MARGIN: f64 = 12.0;
/// The style of all text.
pub const STYLE: &str = "text{font:14px ui-monospace,'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}";

/// Default background and text colours.
pub struct Paper {
    pub name: &'static str,
    pub theme: ThemeChoice,
    pub back: &'static str,
    pub ink: &'static str,
}

pub const DARK: Paper =
    Paper { name: "", theme: ThemeChoice::Dark, back: "#12161e", ink: "#d7dce6" };
pub const LIGHT: Paper =
    Paper { name: "-light", theme: ThemeChoice::Light, back: "#fbfbf8", ink: "#1f2430" };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pictures_match_the_program() {
    hold(draw_all().await);
}

/// Whether the pictures are to be redrawn.
pub fn is_redrawn() -> bool {
    std::env::var_os("SKEYS_DRAW_PICTURES").is_some()
}

/// Writes pictures into their files if requested, otherwise panics if any is outdated.
#[track_caller]
pub fn hold(drawn: Vec<(String, String)>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pictures");
    let redraw = is_redrawn();
    let mut old = Vec::new();
    for (name, svg) in drawn {
        let file = folder.join(format!("{name}.svg"));
        if redraw {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, svg).unwrap();
        } else if !std::fs::read_to_string(&file).is_ok_and(|known| says_the_same(&known, &svg)) {
            old.push(name);
        }
    }
    assert!(
        old.is_empty(),
        "these pictures are old: {old:?}\ndraw them anew: SKEYS_DRAW_PICTURES=1 cargo test --test journeys pictures"
    );
}

/// Waits until a dialog shows everything from the cluster's own API.
async fn all_is_seen(journey: &mut Journey, text: &str) {
    let is_seen = |journey: &Journey| {
        let words = journey.words();
        words.contains(text) && !words.contains("not read yet")
    };
    let began = journey.clock.monotonic();
    journey.until_holds(text, (1, 30), is_seen).await;
    // Constant total duration, however long the first lists took.
    let passed = journey.clock.monotonic().saturating_sub(began).as_secs();
    journey.pass(1, 35_u64.saturating_sub(passed)).await;
}

/// Whether two pictures contain nearly the same words. Not all: which node was seen first, and texts about the last
/// seconds, depend on the response times of clusters.
fn says_the_same(known: &str, drawn: &str) -> bool {
    let (known, drawn) = (words(known), words(drawn));
    let common = known.intersection(&drawn).count();
    common * 100 >= known.union(&drawn).count() * 95
}

fn words(svg: &str) -> BTreeSet<&str> {
    let texts = svg.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    texts
        .flat_map(|text| text.split(|c: char| !c.is_alphabetic()))
        .filter(|w| w.len() > 2)
        .collect()
}

async fn draw_all() -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    for paper in [DARK, LIGHT] {
        let setting = Setting {
            scene: include_str!("../../assets/scenes/fleet.toml").to_owned(),
            size: (132, 36),
            ..Setting::default()
        };
        let setting = setting
            .set("SKEYS_REGIONS", "eu01,eu02")
            .set("SKEYS_DISPLAY_THEME", paper.theme.label())
            .set("SKEYS_PROTECTED", "*-prod")
            .set("SKEYS_KUBERNETES_WATCH", "running");
        let mut journey = Journey::with(setting).await;
        let mut take = |name: &str, journey: &Journey| {
            // Polls of several scopes arrive in any order; the age of the last one does not matter.
            let mut picture = svg(&journey.buffer(), &paper);
            for seconds in 2..60 {
                picture = picture.replace(&format!(">checked {seconds}s ago<"), ">checked 1s ago<");
            }
            drawn.push((format!("{name}{}", paper.name), picture));
        };
        journey
            .until_holds("nodes", (1, 60), |journey| journey.row("pay-prod").contains('▰'))
            .await;
        // At a fixed time after the start, however long the first lists took.
        let passed = journey.clock.monotonic().as_secs();
        journey.pass(1, 90 - passed).await;
        take("fleet", &journey);
        journey.press("/pay-prod<enter><enter>3").await;
        take("nodes", &journey);
        journey.press("<esc>/<ctrl-u><enter>").await;
        journey.resize(100, 30);
        journey.press("<ctrl-l>").await;
        journey.press("/shop-prod<enter><enter>").await;
        take("rotation", &journey);
        journey.press("R").await;
        all_is_seen(&mut journey, "nodes were created after the start").await;
        journey.press("shop-pr").await;
        take("complete", &journey);
        journey.press("<esc><esc>").await;
        journey.press("/<ctrl-u>shop-stage<enter>R").await;
        all_is_seen(&mut journey, "to replace").await;
        take("start", &journey);
        journey.press("<esc>K").await;
        take("kubeconfig", &journey);
    }
    drawn
}

fn svg(buffer: &Buffer, paper: &Paper) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let width = at(columns, CELL.0) + 2.0 * MARGIN;
    let height = at(rows, CELL.1) + 2.0 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n<g transform=\"translate({MARGIN} {MARGIN})\">\n",
        paper.back
    );
    for row in 0..rows {
        draw_row(&mut out, buffer, row, row, paper);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Draws a row of the screen at the position of another one.
pub fn draw_row(out: &mut String, buffer: &Buffer, row: u16, to: u16, paper: &Paper) {
    let columns = buffer.area.width;
    let cells: Vec<&Cell> = (0..columns).map(|column| &buffer[(column, row)]).collect();
    let mut column = 0;
    while column < cells.len() {
        let first = cells[column];
        let run = cells[column..]
            .iter()
            .take_while(|cell| {
                cell_style(cell, paper) == cell_style(first, paper) && alike(first, cell)
            })
            .count()
            .max(1);
        let text: String = cells[column..column + run].iter().map(|cell| cell.symbol()).collect();
        paint(out, (u16::try_from(column).unwrap(), to), run, &text, &cell_style(first, paper));
        column += run;
    }
}

pub fn at(cells: u16, size: f64) -> f64 {
    (f64::from(cells) * size * 10.0).round() / 10.0
}

/// Letters form runs; every other character is placed individually, whatever the font.
fn alike(first: &Cell, next: &Cell) -> bool {
    let plain = |cell: &Cell| cell.symbol().is_ascii();
    plain(first) && plain(next)
        || first.symbol() == next.symbol() && line_of(first.symbol()).is_some()
}

#[derive(PartialEq)]
struct CellStyle {
    ink: String,
    back: Option<String>,
    bold: bool,
    underlined: bool,
}

fn cell_style(cell: &Cell, paper: &Paper) -> CellStyle {
    let css = |color: Color| {
        if let Color::Rgb(r, g, b) = color {
            return Some(format!("#{r:02x}{g:02x}{b:02x}"));
        }
        assert_eq!(color, Color::Reset, "the themes of the pictures have fine colours only");
        None
    };
    let mut ink = css(cell.fg).unwrap_or_else(|| paper.ink.to_owned());
    let mut back = css(cell.bg);
    if cell.modifier.contains(Modifier::REVERSED) {
        let ground = back.unwrap_or_else(|| paper.back.to_owned());
        back = Some(std::mem::replace(&mut ink, ground));
    }
    CellStyle {
        ink,
        back,
        bold: cell.modifier.contains(Modifier::BOLD),
        underlined: cell.modifier.contains(Modifier::UNDERLINED),
    }
}

fn paint(out: &mut String, (column, row): (u16, u16), run: usize, text: &str, look: &CellStyle) {
    let wide = u16::try_from(run).unwrap();
    let (x, y) = (at(column, CELL.0), at(row, CELL.1));
    if let Some(back) = &look.back {
        let w = at(wide, CELL.0);
        writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{}\" fill=\"{back}\"/>",
            CELL.1
        )
        .unwrap();
    }
    if text.trim().is_empty() {
        return;
    }
    let first: String = text.chars().take(1).collect();
    if let Some(path) = line_of(&first) {
        let thick = if "━┃┏┓┗┛".contains(&first) { 2.4 } else { 1.1 };
        // A line along a row is one path; other characters are drawn once per cell.
        let is_along = "─━".contains(&first);
        let along = format!("M0 8.5H{}", at(wide, CELL.0));
        let path = if is_along { along.as_str() } else { path };
        for cell in 0..if is_along { 1 } else { wide } {
            let left = at(column + cell, CELL.0);
            writeln!(
                out,
                "<path transform=\"translate({left} {y})\" d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{thick}\"/>",
                look.ink
            )
            .unwrap();
        }
        return;
    }
    let bold = if look.bold { " font-weight=\"700\"" } else { "" };
    let under = if look.underlined { " text-decoration=\"underline\"" } else { "" };
    // Viewers collapse whitespace, so parts separated by several blanks are placed individually.
    let mut from = 0;
    for part in text.split("  ") {
        let letters = part.trim();
        let blanks = part.chars().count() - part.trim_start().chars().count();
        let x = at(column + u16::try_from(from + blanks).unwrap(), CELL.0);
        from += part.chars().count() + 2;
        if letters.is_empty() {
            continue;
        }
        let length = at(u16::try_from(letters.chars().count()).unwrap(), CELL.0);
        let escaped = letters.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{bold}{under}>{escaped}</text>",
            at(row, CELL.1) + 13.0,
            look.ink
        )
        .unwrap();
    }
}

/// Box-drawing characters as paths, so that they join in every font.
fn line_of(sign: &str) -> Option<&'static str> {
    Some(match sign {
        "─" | "━" => "M0 8.5H8.4",
        "┄" => "M1 8.5H3.2M5.2 8.5H7.4",
        "│" | "┃" => "M4.2 0V17",
        "╭" => "M8.4 8.5Q4.2 8.5 4.2 12.7V17",
        "╮" => "M0 8.5Q4.2 8.5 4.2 12.7V17",
        "╰" => "M4.2 0V4.3Q4.2 8.5 8.4 8.5",
        "╯" => "M4.2 0V4.3Q4.2 8.5 0 8.5",
        "┏" => "M8.4 8.5H4.2V17",
        "┓" => "M0 8.5H4.2V17",
        "┗" => "M4.2 0V8.5H8.4",
        "┛" => "M4.2 0V8.5H0",
        _ => return None,
    })
}
