//! What the dashboard needs from configuration and environment.

use jiff::SignedDuration;

use crate::app::settings::{
    Background, ColorDepth, ObservationScope, Palette, Settings, ThemeChoice,
};
use crate::cli::config::Config;
use crate::domain::age_policy::{AgePolicy, AgeRule};
use crate::ui::theme::shown;

/// Display and automation settings from configuration and environment.
pub fn read_settings(config: &Config, environment: &dyn Fn(&str) -> Option<String>) -> Settings {
    let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let theme = ThemeChoice::from_word(config.text("display.theme")).unwrap_or(ThemeChoice::Auto);
    let is_plain = theme == ThemeChoice::Auto && set("NO_COLOR");
    let theme = if is_plain { ThemeChoice::Mono } else { theme };
    let depth = depth(environment);
    let signed =
        |path| SignedDuration::try_from(config.duration(path)).unwrap_or(SignedDuration::MAX);
    let mut colors = Palette::default();
    for (role, color) in config.colors() {
        colors.set(role, shown(*color, depth));
    }
    Settings {
        protected: config.list("protected").to_vec(),
        read_only: config.switch("read_only"),
        overdue_after: AgePolicy {
            default: signed("overdue_after"),
            rules: config
                .list("overdue_rules")
                .iter()
                .filter_map(|rule| AgeRule::parse(rule).ok())
                .collect(),
        },
        warn_before: signed("kubeconfig.warn_before"),
        poll_idle: config.duration("poll.idle"),
        poll_running: config.duration("poll.running"),
        watch: match config.text("kubernetes.watch") {
            "never" => ObservationScope::Never,
            "open" => ObservationScope::Open,
            _ => ObservationScope::Running,
        },
        watch_limit: config.number("kubernetes.limit"),
        lifetime: config.lifetime(),
        destination: config.text("kubeconfig.destination").to_owned(),
        folder: config.text("kubeconfig.folder").to_owned(),
        search: config.list("kubeconfig.search").to_vec(),
        make_current: config.switch("kubeconfig.make_current"),
        clipboard_clear: config.duration("kubeconfig.clipboard_clear"),
        theme,
        colors,
        depth,
        background: background(environment("COLORFGBG").as_deref()),
        ascii: match config.text("display.ascii") {
            "always" => true,
            "never" => false,
            _ => !is_utf8(environment),
        },
        utc: config.switch("display.utc"),
        mouse: config.switch("display.mouse"),
        columns: config.list("display.columns").to_vec(),
        sort: config.text("display.sort").to_owned(),
        ..Settings::defaults()
    }
}

/// Colour depth of the terminal, as far as its variables show. Inside tmux and screen, those of the outer terminal do
/// not apply.
fn depth(environment: &dyn Fn(&str) -> Option<String>) -> ColorDepth {
    if environment("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return ColorDepth::None;
    }
    let term = environment("TERM").unwrap_or_default();
    let nested = environment("TMUX").is_some() || environment("STY").is_some();
    let color = environment("COLORTERM").unwrap_or_default();
    // xterm has 24-bit colour since version 331, but sets TERM to plain "xterm".
    let xterm = environment("XTERM_VERSION")
        .and_then(|text| text.strip_prefix("XTerm(")?.strip_suffix(')')?.parse::<u32>().ok());
    if matches!(color.as_str(), "truecolor" | "24bit")
        || term.ends_with("-direct")
        || !nested && xterm.is_some_and(|version| version >= 331)
    {
        ColorDepth::Full
    } else if term.contains("256color") {
        ColorDepth::Indexed
    } else {
        ColorDepth::Sixteen
    }
}

/// `COLORFGBG` ends in the colour number of the background; terminals that set it distinguish light from dark.
fn background(value: Option<&str>) -> Option<Background> {
    match value.and_then(|value| value.rsplit(';').next()).and_then(|last| last.parse::<u8>().ok())
    {
        Some(7 | 15) => Some(Background::Light),
        Some(0..=6 | 8) => Some(Background::Dark),
        _ => None,
    }
}

/// Whether the locale is UTF-8; the first variable that is set counts.
fn is_utf8(environment: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| environment(name).filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => cfg!(target_os = "macos"),
    }
}
