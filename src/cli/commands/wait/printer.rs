//! Prints a wait: lines on standard output or a bar on standard error, and the result.

use std::io::{self, IsTerminal as _, Write};

use crate::app::now::Now;
use crate::app::session::window::Progress;
use crate::cli::commands::wait::bar;
use crate::cli::commands::wait::lines::Lines;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::tracker::Reached;
use crate::cli::config::{ConfigSources, Loaded};
use crate::cli::settings::read_settings;
use crate::domain::text::clean;
use crate::runtime::notify::Notifier;
use crate::ui::theme::{Theme, plain};

/// Moves to the first column and clears the line.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// A terminal that a bar is drawn on.
pub struct BarTerminal {
    pub theme: Theme,
    pub notifier: Notifier,
    /// Its current width; 0 while this process is in the background.
    pub columns: Box<dyn Fn() -> usize + Send>,
}

/// How a wait shows its status.
pub enum StatusStyle {
    Lines,
    Bar(BarTerminal),
}

/// Prints one wait; fails if standard output or standard error is closed.
pub struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    form: StatusStyle,
    ascii: bool,
    lines: Lines,
    drawn: Option<String>,
    progress: Progress,
}

impl Printer {
    /// A printer for the streams of this process: a bar if standard error is a terminal that can draw one, else lines.
    pub fn of_process(loaded: &Loaded, sources: &ConfigSources<'_>) -> Self {
        let settings = read_settings(&loaded.config, sources.environment);
        let term = sources.variable("TERM");
        let can_draw = term.is_some_and(|term| term != "dumb");
        let form = if can_draw && io::stderr().is_terminal() {
            StatusStyle::Bar(BarTerminal {
                theme: Theme::new(settings.theme, settings.background, &settings),
                notifier: Notifier::of(sources.environment, loaded.config.switch("notify.desktop")),
                columns: Box::new(columns_of_stderr),
            })
        } else {
            StatusStyle::Lines
        };
        Self::new(Box::new(io::stdout()), Box::new(io::stderr()), form, settings.ascii)
    }

    /// A printer for two streams.
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        form: StatusStyle,
        ascii: bool,
    ) -> Self {
        Self {
            out,
            err,
            form,
            ascii,
            lines: Lines::default(),
            drawn: None,
            progress: Progress::None,
        }
    }

    /// Whether it redraws as time passes.
    pub fn is_live(&self) -> bool {
        matches!(self.form, StatusStyle::Bar(_))
    }

    /// Whether the process is in the background: started with `&`, or continued with `bg`.
    pub fn is_in_background(&self) -> bool {
        matches!(&self.form, StatusStyle::Bar(screen) if (screen.columns)() == 0)
    }

    /// Forces a redraw of the bar: the terminal may have lost it.
    pub fn invalidate(&mut self) {
        self.drawn = None;
    }

    /// Shows the status if it has changed.
    pub fn show(&mut self, status: &WaitStatus<'_>, began: Now) -> io::Result<()> {
        if self.is_live() {
            let draw = |theme, columns| bar::draw(status, began, theme, columns);
            return self.redraw(Some(&draw), status.progress());
        }
        self.lines.next_line(status).map_or(Ok(()), |line| self.print(&line))
    }

    /// Updates the bar and the terminal's progress indicator, if there is a bar and the process is in the foreground.
    fn redraw(
        &mut self,
        draw: Option<&dyn Fn(Theme, usize) -> String>,
        progress: Progress,
    ) -> io::Result<()> {
        let StatusStyle::Bar(screen) = &self.form else { return Ok(()) };
        let columns = (screen.columns)();
        if columns == 0 {
            self.drawn = None;
            return Ok(());
        }
        // The last column stays free, so that the cursor does not wrap.
        let line = draw.map(|draw| draw(screen.theme, columns.saturating_sub(1)));
        let mut out = String::new();
        if progress != self.progress {
            out.push_str(&screen.notifier.progress(progress));
            self.progress = progress;
        }
        if line != self.drawn {
            out.push_str(&format!("{CLEAR_LINE}{}", line.as_deref().unwrap_or_default()));
            self.drawn = line;
        }
        if out.is_empty() {
            return Ok(());
        }
        self.err.write_all(out.as_bytes())?;
        self.err.flush()
    }

    /// Prints a message on standard error.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        let line = self.printable(text);
        writeln!(self.err, "skeys: {line}")?;
        self.err.flush()
    }

    /// Prints the result on standard output.
    pub fn reached(&mut self, status: &WaitStatus<'_>, how: Reached, began: Now) -> io::Result<()> {
        self.clear()?;
        let recovery = self.lines.recovery(status.now);
        self.print(&status.reached(how, began, recovery))
    }

    /// Rings the bell and sends a terminal notification.
    pub fn notify(&mut self, title: &str, text: &str) -> io::Result<Option<Notifier>> {
        let StatusStyle::Bar(screen) = &self.form else { return Ok(None) };
        let notifier = screen.notifier;
        self.err.write_all(notifier.sequence(title, text).as_bytes())?;
        self.err.flush()?;
        Ok(Some(notifier))
    }

    /// Clears the bar and the terminal's progress.
    pub fn clear(&mut self) -> io::Result<()> {
        self.redraw(None, Progress::None)
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        let line = self.printable(line);
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    fn printable(&self, text: &str) -> String {
        let text = clean(text);
        if self.ascii { plain(&text) } else { text }
    }
}

/// Width of the terminal on standard error; 80 if unknown, 0 while this process is in the background.
fn columns_of_stderr() -> usize {
    let group = rustix::termios::tcgetpgrp(io::stderr());
    if group.is_ok_and(|group| group != rustix::process::getpgrp()) {
        return 0;
    }
    let told = rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| size.ws_col);
    told.filter(|columns| *columns > 0).map_or(80, usize::from)
}
