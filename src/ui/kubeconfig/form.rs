//! The kubeconfig form: kind, lifetime, destination, name, and a preview of the destination.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::kubeconfig::destination::Destination;
use crate::app::kubeconfig::form::{
    FormQuestion, KubeconfigField, KubeconfigForm, KubeconfigFormStage, PlanState,
};
use crate::app::kubeconfig::text;
use crate::app::requests::RequestOwner;
use crate::app::screen::Clickable;
use crate::domain::age::{DisplayZone, passed};
use crate::domain::kubeconfig::{EntryOwner, KubeconfigKind, Plan};
use crate::domain::lifetime::Lifetime;
use crate::domain::text::{clean, cut_middle, plural, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, cut_spans, indent, pad_end, spans_width, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, failure, field, place, room, show};

/// Maximum width of the form.
const MOST: u16 = 84;

struct FormView<'a> {
    cx: LineContext<'a>,
    form: &'a KubeconfigForm,
    /// Compact mode: only editable values, one line each.
    tight: bool,
}

/// Draws the form over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, form: &KubeconfigForm) {
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let buttons = buttons(form);
    let room = room(area, MOST, &buttons);
    let roomy = FormView { cx, form, tight: false };
    let mut bottom = roomy.bottom();
    let mut top = spaced(roomy.sections());
    if !bottom.is_empty() && top.len() + bottom.len() < room {
        bottom.push(Line::default());
    }
    if top.len() + bottom.len() > room {
        top = roomy.sections().concat();
    }
    if top.len() + bottom.len() > room {
        let tight = FormView { tight: true, ..roomy };
        top = around_focus(&tight, room.saturating_sub(bottom.len()));
    }
    top.truncate(room.saturating_sub(bottom.len()));
    let lines: Vec<Line<'static>> = top.into_iter().chain(bottom).collect();
    let id = &form.cluster.id;
    let room = usize::from(area.width.min(MOST)).saturating_sub(width(text::TITLE) + 8);
    let mut place = format!("{}{}", id.name, place(id, canvas.state, room));
    if width(&place) > room {
        place = cut_middle(&canvas.state.fleet.label(id), room);
    }
    show(canvas, area, MOST, (text::TITLE, &place), lines, &buttons);
}

fn spaced(sections: Vec<Vec<Line<'static>>>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for section in sections.into_iter().filter(|section| !section.is_empty()) {
        lines.extend(section);
        lines.push(Line::default());
    }
    lines
}

/// If not everything fits: the focused section and as many neighbours as fit, in order.
fn around_focus(view: &FormView<'_>, room: usize) -> Vec<Line<'static>> {
    let focus = match view.form.focus {
        KubeconfigField::Kind => 0,
        KubeconfigField::Lifetime => 1,
        KubeconfigField::Destination | KubeconfigField::Path => 2,
        KubeconfigField::Context | KubeconfigField::MakeCurrent => 3,
        KubeconfigField::Cancel | KubeconfigField::Confirm => 4,
    };
    let mut left = room;
    let mut nearest: Vec<_> = view.sections().into_iter().enumerate().collect();
    nearest.sort_by_key(|(index, _): &(usize, _)| index.abs_diff(focus));
    nearest.retain(|(_, lines)| {
        let fits = lines.len() <= left;
        left -= if fits { lines.len() } else { 0 };
        fits
    });
    nearest.sort_by_key(|(index, _)| *index);
    nearest.into_iter().flat_map(|(_, lines)| lines).collect()
}

impl FormView<'_> {
    fn sections(&self) -> Vec<Vec<Line<'static>>> {
        vec![self.kind(), self.lifetime(), self.destination(), self.context(), self.result()]
    }

    /// The context for values beside the labels.
    fn values(&self) -> LineContext<'_> {
        self.cx.narrower_by(self.label_columns())
    }

    fn label_columns(&self) -> usize {
        if self.cx.columns >= 56 { 12 } else { 9 }
    }

    fn row(&self, label: &str, focused: bool, value: Vec<Span<'static>>) -> Line<'static> {
        let label_columns = self.label_columns();
        let role = if focused { Role::Accent } else { Role::Label };
        let mark = if focused { "▸" } else { " " };
        let mut spans = vec![
            self.cx.theme.part(mark, Role::Accent),
            self.cx.theme.part(pad_end(label, label_columns - 1), role),
        ];
        spans.extend(cut_spans(value, self.values().columns));
        Line::from(spans)
    }

    fn note(&self, text: &str, tone: Tone) -> Vec<Line<'static>> {
        indent(self.values().paragraph(text, tone), self.label_columns())
    }

    fn choice(&self, chosen: bool, text: &str) -> Span<'static> {
        let mark = if chosen { "(•)" } else { "( )" };
        let text = format!("{mark} {text}");
        if chosen { self.cx.theme.part(text, Role::Title) } else { Span::raw(text) }
    }

    fn kind(&self) -> Vec<Line<'static>> {
        let focused = self.form.focus == KubeconfigField::Kind;
        let kinds = [
            (KubeconfigKind::Admin, text::NAME_ADMIN, text::KIND_ADMIN),
            (KubeconfigKind::Login, text::NAME_LOGIN, text::KIND_LOGIN),
            (KubeconfigKind::Idp, text::NAME_IDP, text::KIND_IDP),
        ];
        let mut spans = Vec::new();
        let gap = if self.cx.columns >= 56 { 3 } else { 1 };
        let mut words = "";
        for (kind, name, text) in kinds {
            let chosen = kind == self.form.kind;
            spans.push(self.choice(chosen, name));
            spans.push(blanks(gap));
            if chosen {
                words = text;
            }
        }
        let mut lines = vec![self.row(text::LABEL_KIND, focused, spans)];
        if !self.tight {
            lines.extend(self.note(words, Tone::Dim));
        }
        lines
    }

    fn lifetime(&self) -> Vec<Line<'static>> {
        if self.form.kind != KubeconfigKind::Admin {
            return Vec::new();
        }
        let focused = self.form.focus == KubeconfigField::Lifetime;
        let mut spans = field(self.cx.theme, &self.form.lifetime, 18, focused);
        let presets =
            Lifetime::PRESETS.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(" · ");
        let room = self.values().columns;
        if spans_width(&spans) + 3 + width(&presets) <= room {
            spans.push(self.cx.theme.span(format!("   {presets}"), Tone::Dim));
        }
        let arrows = self.cx.theme.key("←→");
        if spans_width(&spans) + 14 <= room && !self.cx.theme.ascii {
            spans.push(self.cx.theme.span(text::preset_hint(&arrows), Tone::Dim));
        }
        let label = if self.cx.columns >= 56 { text::LABEL_VALID_FOR } else { text::LABEL_VALID };
        let mut lines = vec![self.row(label, focused, spans)];
        if let Some((_, held)) = &self.form.issued {
            if let Some(at) = held.issued.expires {
                lines.extend(self.note(&text::issued_until(self.moment(at)), Tone::Good));
            }
            return lines;
        }
        match self.form.lifetime() {
            Ok(lifetime) => {
                // SKE may grant less; after issuing, the returned expiry is shown.
                let until = self.moment(lifetime.until(self.cx.state.shared.now.wall));
                lines.extend(self.note(&text::valid_until(&until), Tone::Plain));
                if !self.tight && lifetime.seconds() > 30 * 86_400 {
                    lines.extend(self.note(text::ONLY_ROTATION_REVOKES, Tone::Warn));
                }
            }
            Err(error) => lines.extend(self.note(&error.to_string(), Tone::Bad)),
        }
        lines
    }

    fn lifetime_is_wrong(&self) -> bool {
        self.form.kind == KubeconfigKind::Admin
            && self.form.issued.is_none()
            && self.form.lifetime().is_err()
    }

    /// A time in the user's zone, and in UTC if that differs.
    fn moment(&self, at: jiff::Timestamp) -> String {
        let zone = self.cx.state.zone();
        // A zone may equal UTC under another name, some only in winter.
        if zone.full(at) == DisplayZone::UTC.full(at) {
            return zone.full(at);
        }
        let utc = DisplayZone::UTC.clock(at);
        let utc = utc.get(..5).unwrap_or(&utc).to_owned();
        text::in_utc(zone.full(at), utc)
    }

    fn destination(&self) -> Vec<Line<'static>> {
        let focused = self.form.focus == KubeconfigField::Destination;
        let mut lines = Vec::new();
        for (at, destination) in (1_usize..).zip(Destination::ALL) {
            if self.tight && destination != self.form.destination {
                continue;
            }
            let label = if lines.is_empty() { text::LABEL_SAVE_TO } else { "" };
            let mark = focused && lines.is_empty();
            let mut words = self.destination_words(destination);
            if self.tight {
                let text = format!("  {at}/{}", Destination::ALL.len());
                words.push(self.cx.theme.span(text, Tone::Dim));
            }
            lines.push(self.row(label, mark, words));
        }
        lines
    }

    fn destination_words(&self, destination: Destination) -> Vec<Span<'static>> {
        let chosen = destination == self.form.destination;
        let plan = self.form.plan().filter(|_| chosen);
        let file = plan.map_or_else(|| text::YOUR_KUBECONFIG.to_owned(), |plan| clean(&plan.path));
        let mut spans = vec![self.choice(chosen, &destination.label(&file))];
        let hint = destination.hint(&self.cx.state.shared.settings);
        if destination == Destination::File {
            spans.push(Span::raw("   "));
            if chosen {
                let focused = self.form.focus == KubeconfigField::Path;
                let room = self.cx.columns.saturating_sub(self.label_columns() + 11);
                if focused {
                    spans.push(self.cx.theme.part("▸", Role::Accent));
                }
                spans.extend(field(self.cx.theme, &self.form.path, room.min(44), focused));
            } else {
                let path = cut_middle(&clean(self.form.path.value()), 44);
                spans.push(self.cx.theme.span(path, Tone::Dim));
            }
        } else if !hint.is_empty() {
            spans.push(self.cx.theme.span(hint, Tone::Dim));
        }
        spans
    }

    fn context(&self) -> Vec<Line<'static>> {
        let focused = self.form.focus == KubeconfigField::Context;
        let mut spans = field(self.cx.theme, &self.form.context, 26, focused);
        if self.form.destination != Destination::Merge {
            return vec![self.row(text::LABEL_CONTEXT, focused, spans)];
        }
        let becomes = self.form.becomes_current();
        let ticked = if becomes || self.form.make_current { "[x]" } else { "[ ]" };
        let words = match (becomes, self.cx.columns >= 50) {
            (true, true) if self.form.is_named_current() => text::NAMED_CURRENT,
            (true, false) if self.form.is_named_current() => text::NAMED_CURRENT_SHORT,
            (true, true) => text::BECOMES_CURRENT,
            (true, false) => text::BECOMES_CURRENT_SHORT,
            (false, true) => text::MAKE_CURRENT,
            (false, false) => text::MAKE_CURRENT_SHORT,
        };
        let on = self.form.focus == KubeconfigField::MakeCurrent;
        let mut tick = vec![
            self.cx.theme.part(if on { "▸" } else { " " }, Role::Accent),
            Span::styled(
                format!("{ticked} {words}"),
                if on { self.cx.theme.role(Role::Accent) } else { self.cx.theme.tone(Tone::Plain) },
            ),
        ];
        let room = self.values().columns;
        if spans_width(&spans) + spans_width(&tick) + 2 <= room {
            spans.push(Span::raw("  "));
            spans.append(&mut tick);
            return vec![self.row(text::LABEL_CONTEXT, focused, spans)];
        }
        vec![self.row(text::LABEL_CONTEXT, focused, spans), self.row("", false, tick)]
    }

    fn result(&self) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let writes = self.form.target().is_some();
        if writes && let PlanState::Ready(plan) = &self.form.plan {
            lines.extend(self.plan(plan));
        }
        if !writes && !self.tight {
            lines.push(self.row(text::LABEL_RESULT, false, vec![Span::raw(text::NO_FILE)]));
            if self.form.kind == KubeconfigKind::Admin {
                lines.extend(self.note(text::COPIES_REMAIN, Tone::Warn));
            }
        }
        if self.form.kind == KubeconfigKind::Idp && !self.form.cluster.idp {
            lines.extend(self.note(text::IDP_OFF, Tone::Warn));
        }
        if self.form.cluster.hibernated && self.form.kind == KubeconfigKind::Admin {
            lines.extend(self.note(text::HIBERNATED, Tone::Warn));
        }
        let asked = matches!(
            self.form.stage,
            KubeconfigFormStage::Asking { question: FormQuestion::DisableStaticTokens, .. }
        );
        if self.form.cluster.issuing_disables_static_tokens()
            && self.form.issued.is_none()
            && !asked
        {
            lines.extend(self.cx.marked("!", Tone::Warn, text::DISABLES_STATIC_TOKENS));
        }
        lines
    }

    fn plan(&self, plan: &Plan) -> Vec<Line<'static>> {
        let file = clean(&plan.path);
        let mode = plan.mode.map_or_else(|| "0600".to_owned(), |mode| format!("{mode:04o}"));
        let verb = match (plan.exists, self.form.destination == Destination::Merge) {
            (false, _) => text::creates(&file),
            (true, true) => text::changes(&file, &mode),
            (true, false) => text::replaces(&file, &mode),
        };
        let mut texts = vec![(verb, Tone::Plain)];
        if let Some(link) = &plan.link {
            texts.push((text::link_to(clean(link)), Tone::Warn));
        }
        if !plan.taken.is_empty() {
            let what = if self.form.replace { text::REPLACED } else { text::ASKS_BEFORE_REPLACING };
            let names = names(&plan.taken);
            let owner = plan.owner.describe();
            texts.push((text::exists_already(&owner, &names, what), Tone::Warn));
        }
        let dropped = dropped(plan);
        if !dropped.is_empty() {
            texts.push((text::not_kept(names(dropped)), Tone::Warn));
        }
        let may_be_another = matches!(plan.owner, EntryOwner::At(_) | EntryOwner::Alike(_));
        let more = plan.dropped_from_another.iter().filter(|field| !dropped.contains(field));
        let more: Vec<String> = more.filter(|_| may_be_another).cloned().collect();
        if !more.is_empty() {
            texts.push((text::not_kept_of_another(names(&more)), Tone::Warn));
        }
        if !plan.lost.is_empty() {
            texts.push((lost(&plan.lost).trim().to_owned(), Tone::Warn));
        }
        if !plan.sharing.is_empty() {
            texts.push((text::also_changes(plan.sharing.join(", ")), Tone::Warn));
        }
        if plan.others > 0 && self.form.destination == Destination::Merge {
            let others = plural(plan.others, text::ONE_OTHER_CONTEXT, text::OTHER_CONTEXTS);
            texts.push((text::others_untouched(&others), Tone::Dim));
        }
        texts.extend(plan.notes.iter().map(|note| (clean(note), Tone::Dim)));
        let mut lines = Vec::new();
        for (text, tone) in texts {
            for line in wrap(&text, self.values().columns) {
                let label = if lines.is_empty() { text::LABEL_RESULT } else { "" };
                lines.push(self.row(label, false, vec![self.cx.theme.span(line, tone)]));
            }
        }
        lines
    }

    /// The line above the buttons: problem, question or status.
    fn bottom(&self) -> Vec<Line<'static>> {
        match &self.form.stage {
            KubeconfigFormStage::Editing => match self.form.problem() {
                // Shown beside the field.
                Some(_) if self.lifetime_is_wrong() => Vec::new(),
                Some(_) if matches!(self.form.plan, PlanState::Checking) => {
                    self.cx.marked("→", Tone::Dim, text::CHECKING_DESTINATION)
                }
                Some(problem) => self.cx.marked("!", Tone::Warn, &clean(&problem)),
                None if self.form.issued.is_some() => {
                    self.cx.marked("!", Tone::Warn, text::ISSUED_UNSAVED)
                }
                None => Vec::new(),
            },
            KubeconfigFormStage::Asking { question, .. } => {
                let words = question_words(question, self.form);
                self.cx.marked("?", Tone::Attention, &words)
            }
            KubeconfigFormStage::Issuing(request) => {
                let age = match self.cx.state.requests.owner(*request) {
                    Some(RequestOwner::Kubeconfig(asked)) => {
                        format!(" {}", passed(asked.asked, self.cx.state.shared.now.wall))
                    }
                    _ => String::new(),
                };
                self.cx.marked("→", Tone::Busy, &text::requesting(&age))
            }
            KubeconfigFormStage::Saving(_) => self.cx.marked("→", Tone::Busy, text::SAVING),
            KubeconfigFormStage::Failed(problem) => {
                let mut lines = failure(self.cx, problem);
                if self.form.issued.is_some() {
                    lines.extend(self.cx.marked("!", Tone::Warn, text::ISSUED_KEPT));
                }
                lines
            }
        }
    }
}

/// "cluster, context, user shop": the conflicting entries; a name they share appears once.
fn names(taken: &[String]) -> String {
    let parts: Vec<(&str, &str)> = taken.iter().filter_map(|text| text.split_once(' ')).collect();
    let name = parts.first().map_or("", |(_, name)| name);
    if parts.len() < taken.len() || parts.iter().any(|(_, other)| *other != name) {
        return clean(&taken.join(", "));
    }
    let words: Vec<&str> = parts.iter().map(|(word, _)| *word).collect();
    clean(&format!("{} {name}", words.join(", ")))
}

/// The fields that replaced entries lose.
fn dropped(plan: &Plan) -> &[String] {
    if matches!(plan.owner, EntryOwner::Another(_)) {
        &plan.dropped_from_another
    } else {
        &plan.dropped
    }
}

fn question_words(question: &FormQuestion, form: &KubeconfigForm) -> String {
    match question {
        FormQuestion::DisableStaticTokens => text::DISABLES_STATIC_TOKENS.to_owned(),
        FormQuestion::NameConflict(other) => {
            let Some(plan) = form.plan() else { return String::new() };
            let other = other.as_ref().map(|name| text::another_name(clean(name)));
            let other = other.unwrap_or_default();
            let mut lost = lost(&plan.lost);
            if let EntryOwner::Another(who) = &plan.owner
                && form.issued.is_some()
            {
                let dropped = dropped(plan);
                if !dropped.is_empty() {
                    lost += &text::also_not_kept(names(dropped));
                }
                return text::ask_replace_another(names(&plan.taken), clean(who), lost, other);
            }
            text::ask_replace(plan.owner.describe(), names(&plan.taken), lost, other)
        }
        FormQuestion::Discard => text::ASK_CLOSE.to_owned(),
        FormQuestion::Lose => text::ASK_DISCARD.to_owned(),
    }
}

/// The other contexts that are lost if the file is replaced.
fn lost(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return String::new();
    }
    text::loses(
        plural(contexts.len(), text::ONE_OTHER_CONTEXT, text::OTHER_CONTEXTS),
        names(contexts),
    )
}

/// The buttons of the current stage.
fn buttons(form: &KubeconfigForm) -> Vec<Button<'static>> {
    if let KubeconfigFormStage::Asking { question, answer } = &form.stage {
        let button = |(index, label): (usize, &&'static str)| Button {
            label,
            focused: index == *answer,
            ready: true,
            click: Clickable::Answer(index),
        };
        return question.answers().iter().enumerate().map(button).collect();
    }
    if matches!(form.stage, KubeconfigFormStage::Issuing(_)) {
        // An accidental extra Enter must not cancel the request: that needs Esc.
        return vec![Button::cancel(text::STOP_WAITING, false)];
    }
    if matches!(form.stage, KubeconfigFormStage::Saving(_)) {
        return Vec::new();
    }
    let label = if form.issued.is_some() { form.destination.confirm() } else { text::ISSUE };
    let (cancel, confirm) = (KubeconfigField::Cancel, KubeconfigField::Confirm);
    vec![
        Button::cancel(text::CANCEL, form.focus == cancel),
        Button::confirm(label, form.focus == confirm, form.problem().is_none()),
    ]
}
