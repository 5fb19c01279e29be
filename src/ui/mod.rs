//! `view` renders the state into cells. It only reads the state, makes no decisions, and has no clock. One folder per
//! feature, named as in `app`.

pub mod actions;
pub mod activity;
pub mod canvas;
pub mod checklist;
pub mod cluster;
pub mod credentials;
pub mod fleet;
pub mod help;
pub mod kubeconfig;
pub mod line_context;
pub mod log;
pub mod menus;
pub mod nodes;
pub mod rotation;
pub mod session;
pub mod text;
pub mod theme;
pub mod widgets;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::screen::{Metrics, Screen};
use crate::app::state::State;
use crate::app::text as texts;
use crate::ui::canvas::Canvas;
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::footer::{self, BottomLine};

/// Minimum columns to draw a screen.
const LEAST_COLUMNS: u16 = 30;
/// Minimum rows to draw a screen.
const LEAST_ROWS: u16 = 8;

/// Draws everything: the screen, the footer, dialogs over them, and the help on top. Returns the metrics.
pub fn view(state: &State, frame: &mut Frame<'_>) -> Metrics {
    let (theme, area) = (Theme::of(state), frame.area());
    let mut canvas = Canvas { state, theme, frame, metrics: Metrics::default() };
    if area.width < LEAST_COLUMNS || area.height < LEAST_ROWS {
        too_small(&mut canvas, area);
    } else {
        draw(&mut canvas, area);
    }
    let Canvas { mut metrics, .. } = canvas;
    theme::trim_underlines(frame.buffer_mut());
    if theme.ascii {
        theme::to_ascii(frame.buffer_mut());
    }
    clip(&mut metrics, area);
    metrics
}

/// Clips click targets to the screen.
fn clip(metrics: &mut Metrics, area: Rect) {
    metrics.targets.retain_mut(|target| {
        target.area = target.area.intersection(area);
        !target.area.is_empty()
    });
}

fn draw(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let (state, theme) = (canvas.state, canvas.theme);
    let records = fleet::screen::strip_rows(state, area.height.saturating_sub(2)) > 0;
    let toast = footer::toast(state, records);
    let foot = footer::rows(state, area, toast).min(area.height);
    let body = Rect { height: area.height - foot, ..area };
    let mut bottom = BottomLine::default();
    match &state.screen {
        Screen::Fleet => bottom = fleet::screen::draw(canvas, body),
        Screen::Cluster { id, tab, .. } => {
            cluster::screen::draw(canvas, body, (id, *tab));
        }
        Screen::Activity(_) => activity::screen::draw(canvas, body),
    }
    let foot_area = Rect { y: body.bottom(), height: foot, ..area };
    footer::draw(canvas, foot_area, (bottom, toast));
    // Below a dialog, nothing is clickable.
    if state.is_covered() {
        canvas.metrics.targets.clear();
        // Below a dialog, everything is dimmed and loses its colours.
        let faded = theme.role(Role::Off).remove_modifier(Modifier::BOLD | Modifier::REVERSED);
        let faded = if faded.fg.is_none() { faded.fg(Color::Reset) } else { faded };
        canvas.frame.buffer_mut().set_style(body, faded);
    }
    if let Some(dialog) = &state.rotation.dialog {
        rotation::dialog::draw(canvas, body, dialog);
    }
    if let Some(dialog) = &state.action {
        actions::dialog::draw(canvas, body, dialog);
    }
    if let Some(form) = &state.kubeconfig.form {
        kubeconfig::form::draw(canvas, body, form);
    }
    if let Some(dialog) = &state.checklist.dialog {
        checklist::dialog::draw(canvas, body, dialog);
    }
    if let Some(renewal) = &state.kubeconfig.renewal {
        kubeconfig::renewal::draw(canvas, body, renewal);
    }
    if let Some(menu) = &state.menu {
        menus::list::draw(canvas, body, menu);
    }
    if let Some(log) = &state.log {
        canvas.metrics.targets.clear();
        log::draw(canvas, body, log);
    }
    if let Some(help) = state.help {
        canvas.metrics.targets.clear();
        help::draw(canvas, body, help);
    }
    if let Some(dialog) = &state.session.quit_dialog {
        canvas.metrics.targets.clear();
        session::quit::draw(canvas, body, dialog);
    }
}

/// One line with the counts and the worst cluster, for terminals too small for a screen.
fn too_small(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let cx = canvas.line_context(area);
    let counts = fleet::screen::short_counts(cx);
    let mut spans = counts;
    if let Some(worst) = fleet::screen::worst(cx.state) {
        spans.push(cx.span(worst.text, worst.tone));
    }
    let wish = texts::too_small(LEAST_COLUMNS, LEAST_ROWS, area.width, area.height);
    let lines = vec![
        Line::from(text::cut_spans(spans, cx.columns)),
        Line::from(text::cut_spans(vec![cx.span(wish, Tone::Dim)], cx.columns)),
    ];
    canvas.text(lines, area);
}
