//! Changes of the configuration file while the dashboard runs.

use std::fs;

use ratatui::style::Color;

use crate::support::{Journey, Setting};

/// Writes the file and waits until the dashboard notices.
async fn write(journey: &mut Journey, text: &str) {
    fs::write(journey.path("config.toml"), text).unwrap();
    journey.wait(6).await;
}

/// The dashboard without the variables that take precedence over the file.
async fn begin() -> Journey {
    Journey::with(Setting::default().set("COLORTERM", "truecolor")).await
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_what_a_person_toggled_stays() {
    let mut journey = begin().await;
    journey.shows("attention ↓");
    journey.press("T").await;
    journey.says("Theme: dark.");
    write(
        &mut journey,
        "[display]\nsort = \"name\"\ncolumns = [\"phase\"]\n[keys]\ncommands = [\"f5\"]\n",
    )
    .await;
    journey.says("config.toml changed: display.columns, display.sort, keys");
    journey.shows("name ↓");
    journey.hides("SINCE");
    journey.press(":").await;
    journey.hides("┏");
    let own = Color::Rgb(0x12, 0x34, 0x56);
    let has_own = |journey: &Journey| journey.buffer().content.iter().any(|cell| cell.fg == own);
    assert!(!has_own(&journey));
    write(&mut journey, "[display.colors]\naccent = \"#123456\"\n[log]\nlevel = \"debug\"\n").await;
    journey.says("display.colors, keys; after :reload (log.*: at the next start): log.level");
    assert!(has_own(&journey), "the theme is the one of the person, its colours are new");
    journey.shows("SINCE");
    journey.press("T").await;
    journey.says("Theme: light.");
    write(&mut journey, "[display]\ntheme = \"mono\"\n").await;
    assert!(!has_own(&journey));
    journey.press("T").await;
    journey.says("Theme: auto.");
    journey.press("A").await;
    journey.shows("config.toml changed: display.theme");
}

#[tokio::test]
async fn file_32_a_broken_file_is_told_once_and_its_message_goes_when_it_is_repaired() {
    let mut journey = begin().await;
    write(&mut journey, "[display]\nsort = \"name\"\n").await;
    journey.shows("name ↓");
    write(&mut journey, "[display]\n  sort = \"nmae\"\n").await;
    let told = "config.toml:2:10: display.sort is \"nmae\"";
    journey.says(told);
    journey.shows("name ↓");
    journey.press("<esc>").await;
    assert!(!journey.words().contains(told));
    journey.wait(20).await;
    assert!(!journey.words().contains(told), "once is enough");
    write(&mut journey, "[display\n").await;
    journey.says("config.toml:1:9");
    write(&mut journey, "[display]\nsort = \"region\"\n").await;
    journey.shows("region ↓");
    assert!(!journey.words().contains("config.toml:1:9"));
    fs::remove_file(journey.path("config.toml")).unwrap();
    journey.wait(20).await;
    journey.shows("region ↓");
}

#[tokio::test]
async fn host_15_read_only_mode_refuses_what_a_dialog_asks_and_stays_on() {
    let mut journey = begin().await;
    journey.press("/alpha<enter>R").await;
    write(&mut journey, "protected = [\"al*\"]\n").await;
    journey.press("<tab><tab><enter>").await;
    journey.says("alpha");
    assert_eq!(journey.calls("POST", "/start-credentials-rotation"), 0);
    journey.press("<esc>R").await;
    write(&mut journey, "read_only = true\n").await;
    journey.shows("READ-ONLY");
    journey.press("alpha<tab><tab><enter><enter>").await;
    journey.press("<esc>K<tab><tab><tab><tab><tab><enter><enter>").await;
    write(&mut journey, "read_only = false\n").await;
    journey.press("<esc><esc>R").await;
    journey.says("read-only mode");
    let posts = journey.simulator.request_log();
    assert!(posts.iter().all(|call| call.method == "GET"), "nothing that writes is sent");
}
