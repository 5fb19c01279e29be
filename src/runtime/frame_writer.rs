//! Draws frames with few bytes: writes only changed attributes of a style, draws blanks in any style that looks the
//! same, and moves the cursor the shortest way, which may rewrite what is there. Long runs of blanks are erased. Each
//! frame is one write, and assumes nothing about cursor and style of the terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

/// Larger frames, in bytes, are written as a synchronized update, if the terminal supports that.
const SMALL: usize = 256;
/// Longest gap, in columns, that may be rewritten rather than jumped over: a jump takes more bytes.
const SHORT_GAP: u16 = 3;
/// Longest run of blanks that is written; erasing a longer one, including the jump over it, takes fewer bytes.
const FEW_BLANKS: usize = 10;
const BEGIN_SYNCHRONIZED: &[u8] = b"\x1b[?2026h";
const END_SYNCHRONIZED: &[u8] = b"\x1b[?2026l";

/// How characters are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pen {
    foreground: Color,
    background: Color,
    modifier: Modifier,
}

/// Writes frames to a terminal.
pub struct FrameWriter<W: Write> {
    inner: CrosstermBackend<W>,
    frame: Vec<u8>,
    /// Cells drawn since the terminal was cleared; all others are blank.
    shown: BTreeMap<(u16, u16), Cell>,
}

impl<W: Write> FrameWriter<W> {
    /// Writes to `out`, a cleared terminal.
    pub fn new(out: W) -> Self {
        Self { inner: CrosstermBackend::new(out), frame: Vec::new(), shown: BTreeMap::new() }
    }

    /// Erases rows, in which a terminal may show parts of a character in further columns. Returns the content together
    /// with everything else that these rows show.
    fn erase(
        &mut self,
        rows: &BTreeSet<u16>,
        content: &[(u16, u16, &Cell)],
    ) -> BTreeMap<(u16, u16), Cell> {
        let mut cells: BTreeMap<_, _> =
            content.iter().map(|(x, y, cell)| ((*y, *x), (*cell).clone())).collect();
        for row in rows {
            let line = row.saturating_add(1);
            self.frame.extend_from_slice(format!("\x1b[0m\x1b[{line};1H\x1b[2K").as_bytes());
        }
        let (erased, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.shown).into_iter().partition(|((y, _), _)| rows.contains(y));
        self.shown = kept;
        for (position, cell) in without_further_columns(erased) {
            cells.entry(position).or_insert(cell);
        }
        without_further_columns(cells)
    }

    /// Writes cells, in the order of the screen.
    fn write(&mut self, content: &[(u16, u16, &Cell)]) {
        let mut rest = content;
        let mut pen = None;
        let mut cursor = None;
        while let Some((x, y, cell)) = rest.first().copied() {
            self.go(cursor, Position { x, y }, pen);
            if !pen.is_some_and(|pen: Pen| pen.draws(cell)) {
                change_pen(&mut self.frame, pen, Pen::of(cell));
                pen = Some(Pen::of(cell));
            }
            let blanks = self.blanks(rest);
            let (drawn, after) = rest.split_at(if blanks > FEW_BLANKS { blanks } else { 1 });
            if let [.., (last, ..)] = drawn
                && blanks > FEW_BLANKS
            {
                let columns = last - x + 1;
                self.frame.extend_from_slice(format!("\x1b[{columns}X").as_bytes());
                cursor = Some(Position { x, y });
            } else {
                if has_doubtful_width(cell) {
                    // It may cover fewer columns than it is given.
                    let columns = columns_of(cell).max(1);
                    self.frame.extend_from_slice(format!("\x1b[{columns}X").as_bytes());
                }
                self.frame.extend_from_slice(cell.symbol().as_bytes());
                let next = Position { x: x.saturating_add(columns_of(cell)), y };
                cursor = Some(next).filter(|_| !has_doubtful_width(cell));
            }
            for (x, _, cell) in drawn {
                for x in *x..x.saturating_add(columns_of(cell).max(1)) {
                    self.shown.insert((y, x), (*cell).clone());
                }
            }
            rest = after;
        }
    }

    /// Moves the cursor.
    fn go(&mut self, from: Option<Position>, to: Position, pen: Option<Pen>) {
        let jump = jump(from, to);
        let gap = from.zip(pen).and_then(|(from, pen)| self.gap(from, to, pen));
        self.frame.extend_from_slice(
            gap.filter(|gap| gap.len() <= jump.len()).unwrap_or(jump).as_bytes(),
        );
    }

    /// Content of a short gap, if it can be rewritten with this pen.
    fn gap(&self, from: Position, to: Position, pen: Pen) -> Option<String> {
        if from.y != to.y || from.x >= to.x || to.x - from.x > SHORT_GAP {
            return None;
        }
        let mut cells = (from.x..to.x).map(|x| self.shown(x, to.y));
        // A gap must not end inside a wide character.
        let fits =
            |cell: &Cell| columns_of(cell) == 1 && !has_doubtful_width(cell) && pen.draws(cell);
        cells.try_fold(String::new(), |gap, cell| fits(cell).then(|| gap + cell.symbol()))
    }

    /// Number of cells from the first that can be erased together with the gaps between them.
    fn blanks(&self, content: &[(u16, u16, &Cell)]) -> usize {
        let is_erased = |cell: &Cell| is_blank(cell) && cell.bg == Color::Reset;
        let mut next = content.first().map(|(x, y, _)| (*x, *y));
        let fits = |(x, y, cell): &&(u16, u16, &Cell)| {
            let joins = next.is_some_and(|(from, row)| {
                row == *y && (from..*x).all(|x| is_erased(self.shown(x, row)))
            });
            next = Some((x.saturating_add(1), *y));
            joins && is_erased(cell)
        };
        content.iter().take_while(fits).count()
    }

    /// The cell that the terminal shows at a position.
    fn shown(&self, x: u16, y: u16) -> &Cell {
        const BLANK: &Cell = &Cell::EMPTY;
        self.shown.get(&(y, x)).unwrap_or(BLANK)
    }
}

/// Width of a cell in columns.
fn columns_of(cell: &Cell) -> u16 {
    u16::try_from(cell.symbol().width()).unwrap_or(1)
}

/// Without cells in the further columns of a wide character, which are not drawn.
fn without_further_columns(mut cells: BTreeMap<(u16, u16), Cell>) -> BTreeMap<(u16, u16), Cell> {
    let mut end = (0, 0);
    cells.retain(|(y, x), cell| {
        let is_covered = (*y, *x) < end;
        if !is_covered {
            end = (*y, x.saturating_add(columns_of(cell)));
        }
        !is_covered
    });
    cells
}

/// Whether terminals disagree about the columns of a cell: some draw the parts of a composed character side by side.
fn has_doubtful_width(cell: &Cell) -> bool {
    cell.symbol().chars().nth(1).is_some()
}

impl Pen {
    fn of(cell: &Cell) -> Self {
        Self { foreground: cell.fg, background: cell.bg, modifier: cell.modifier }
    }

    /// Whether a cell looks right when drawn with this pen: of a blank, only the background is visible.
    fn draws(self, cell: &Cell) -> bool {
        let pen = Self::of(cell);
        pen == self
            || pen.background == self.background
                && is_blank(cell)
                && !self.modifier.intersects(SEEN_ON_BLANKS)
    }
}

/// Attributes visible on a blank.
const SEEN_ON_BLANKS: Modifier =
    Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT);

/// Whether only the background of a cell is visible.
pub fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANKS)
}

impl<W: Write> Backend for FrameWriter<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let content: Vec<_> = content.collect();
        let is_replaced = |(x, y, _): &&(u16, u16, &Cell)| has_doubtful_width(self.shown(*x, *y));
        let rows: BTreeSet<u16> = content.iter().filter(is_replaced).map(|(_, y, _)| *y).collect();
        if rows.is_empty() {
            self.write(&content);
        } else {
            let cells = self.erase(&rows, &content);
            self.write(&cells.iter().map(|((y, x), cell)| (*x, *y, cell)).collect::<Vec<_>>());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let frame = std::mem::take(&mut self.frame);
        let whole = if frame.len() > SMALL {
            [BEGIN_SYNCHRONIZED, &frame, END_SYNCHRONIZED].concat()
        } else {
            frame
        };
        self.inner.write_all(&whole)?;
        Backend::flush(&mut self.inner)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.shown.clear();
        // Terminals fill with the current background colour.
        self.inner.write_all(b"\x1b[0m")?;
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }
}

/// The shortest cursor movement from its position, if known.
fn jump(from: Option<Position>, to: Position) -> String {
    let absolute = format!("\x1b[{};{}H", to.y.saturating_add(1), to.x.saturating_add(1));
    let right = |columns: u16| match columns {
        0 => String::new(),
        1 => "\x1b[C".to_owned(),
        columns => format!("\x1b[{columns}C"),
    };
    let relative = match from {
        Some(from) if from == to => return String::new(),
        Some(from) if from.y == to.y && from.x < to.x => Some(right(to.x - from.x)),
        // In raw mode a line feed keeps the column.
        Some(from) if from.y.saturating_add(1) == to.y => Some(format!("\r\n{}", right(to.x))),
        Some(_) | None => None,
    };
    relative.filter(|relative| relative.len() < absolute.len()).unwrap_or(absolute)
}

/// A text outside of frames, with the escape sequences of a style.
pub fn painted(text: &str, style: Style) -> String {
    let pen = Pen {
        foreground: style.fg.unwrap_or_default(),
        background: style.bg.unwrap_or_default(),
        modifier: style.add_modifier,
    };
    let codes = changes(Pen::default(), pen).join(";");
    if codes.is_empty() || text.is_empty() {
        return text.to_owned();
    }
    format!("\u{1b}[{codes}m{text}\u{1b}[0m")
}

/// Switches from the previous style, if known.
fn change_pen(out: &mut Vec<u8>, from: Option<Pen>, to: Pen) {
    if from == Some(to) {
        return;
    }
    let anew = [vec!["0".to_owned()], changes(Pen::default(), to)].concat().join(";");
    let changed = from.map(|from| changes(from, to).join(";"));
    let codes = changed.filter(|changed| changed.len() <= anew.len()).unwrap_or(anew);
    out.extend_from_slice(format!("\x1b[{codes}m").as_bytes());
}

fn changes(from: Pen, to: Pen) -> Vec<String> {
    // Off before on: one code resets both bold and dim.
    const MODIFIERS: [(Modifier, &str, &str); 9] = [
        (Modifier::BOLD, "1", "22"),
        (Modifier::DIM, "2", "22"),
        (Modifier::ITALIC, "3", "23"),
        (Modifier::UNDERLINED, "4", "24"),
        (Modifier::SLOW_BLINK, "5", "25"),
        (Modifier::RAPID_BLINK, "6", "25"),
        (Modifier::REVERSED, "7", "27"),
        (Modifier::HIDDEN, "8", "28"),
        (Modifier::CROSSED_OUT, "9", "29"),
    ];
    let mut codes: Vec<String> = Vec::new();
    let removed = from.modifier.difference(to.modifier);
    let mut left = from.modifier.intersection(to.modifier);
    for (modifier, _, off) in MODIFIERS {
        if removed.contains(modifier) && !codes.iter().any(|code| code == off) {
            codes.push(off.to_owned());
            left = left.difference(match off {
                "22" => Modifier::BOLD | Modifier::DIM,
                "25" => Modifier::SLOW_BLINK | Modifier::RAPID_BLINK,
                _ => modifier,
            });
        }
    }
    let added = to.modifier.difference(left);
    codes.extend(
        MODIFIERS
            .iter()
            .filter(|(one, ..)| added.contains(*one))
            .map(|(_, on, _)| (*on).to_owned()),
    );
    if from.foreground != to.foreground {
        codes.push(color(to.foreground, 30));
    }
    if from.background != to.background {
        codes.push(color(to.background, 40));
    }
    codes
}

/// The code of a colour; `base` is 30 for the foreground and 40 for the background.
fn color(color: Color, base: u8) -> String {
    let number = match color {
        Color::Reset => 9,
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(number) => return format!("{};5;{number}", base + 8),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
    };
    (base + number).to_string()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;
    use ratatui::backend::Backend as _;
    use ratatui::buffer::{Buffer, Cell};
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Modifier};

    use crate::runtime::frame_writer::{FrameWriter, Pen, SMALL, changes};

    const AREA: Rect = Rect { x: 0, y: 0, width: 24, height: 3 };

    /// Writes one screen after the other.
    fn written(screens: &[&Buffer]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = FrameWriter::new(&mut bytes);
        let mut before = Buffer::empty(screens[0].area);
        for screen in screens {
            writer.draw(before.diff(screen).into_iter()).unwrap();
            writer.flush().unwrap();
            before = (*screen).clone();
        }
        bytes
    }

    /// Bytes written when one screen becomes another.
    fn change(before: &Buffer, after: &Buffer) -> String {
        let bytes = written(&[before, after]).split_off(written(&[before]).len());
        String::from_utf8(bytes).unwrap()
    }

    fn cells() -> impl Strategy<Value = Vec<Cell>> {
        let color = prop_oneof![
            Just(Color::Reset),
            Just(Color::Red),
            Just(Color::LightBlue),
            any::<u8>().prop_map(|number| Color::Indexed(number.max(16))),
            any::<[u8; 3]>().prop_map(|[r, g, b]| Color::Rgb(r, g, b)),
        ];
        let modifier = prop::sample::subsequence(
            vec![Modifier::BOLD, Modifier::ITALIC, Modifier::UNDERLINED, Modifier::REVERSED],
            0..4,
        );
        let cell = ("[a-c ]|e\u{301}", color.clone(), color, modifier).prop_map(
            |(symbol, fg, bg, modifiers)| {
                let mut cell = Cell::default();
                cell.set_symbol(&symbol).set_fg(fg).set_bg(bg);
                cell.modifier = modifiers.into_iter().fold(Modifier::empty(), |all, one| all | one);
                cell
            },
        );
        // Runs of equal cells, for long blanks and long texts.
        let run = (cell, 1..30_usize).prop_map(|(cell, count)| vec![cell; count]);
        prop::collection::vec(run, AREA.area() as usize)
            .prop_map(|runs| runs.into_iter().flatten().take(AREA.area() as usize).collect())
    }

    fn buffer(content: Vec<Cell>) -> Buffer {
        Buffer { area: AREA, content }
    }

    /// Content of a terminal, cell by cell.
    fn shown(parser: &vt100::Parser) -> Vec<String> {
        let cells = (0..AREA.height).flat_map(|y| (0..AREA.width).map(move |x| (y, x)));
        let text = |(y, x)| {
            let cell = parser.screen().cell(y, x).unwrap();
            // A cell that was never written looks like a blank.
            let letter = if cell.has_contents() { cell.contents() } else { " " };
            let (bold, italic) = (cell.bold(), cell.italic());
            let (underline, inverse) = (cell.underline(), cell.inverse());
            if letter == " " && !underline && !inverse {
                return format!("{:?}", cell.bgcolor());
            }
            let colors = (cell.fgcolor(), cell.bgcolor());
            format!("{letter} {colors:?} {bold} {italic} {underline} {inverse}")
        };
        cells.map(text).collect()
    }

    fn terminal() -> vt100::Parser {
        let size = |count| NonZeroU16::new(count).unwrap();
        vt100::Parser::new(size(AREA.height), size(AREA.width), 0)
    }

    #[test]
    fn tty_22_a_frame_is_written_with_what_differs() {
        let before = Buffer::with_lines(["one two", "three"]);
        let mut after = Buffer::with_lines(["ONE two", "threE"]);
        after.content[0].modifier = Modifier::BOLD;
        after.content[1].modifier = Modifier::BOLD;
        assert_eq!(change(&before, &after), "\u{1b}[1;1H\u{1b}[0;1mON\u{1b}[0mE\u{1b}[2;5HE");
        assert_eq!(change(&after, &after), "");
        // A short gap is rewritten, a long one is jumped over.
        let gaps = Buffer::with_lines(["One two", "ThreE"]);
        assert_eq!(change(&before, &gaps), "\u{1b}[1;1H\u{1b}[0mO\r\nThreE");
        let all = Modifier::BOLD | Modifier::DIM;
        let pen = |modifier| Pen { modifier, ..Pen::default() };
        assert_eq!(changes(pen(all), pen(Modifier::BOLD)), ["22", "1"]);
        // A run of blanks is erased, including those that are already blank.
        let text = Buffer::with_lines([format!("{} {}e", "a".repeat(9), "b".repeat(9))]);
        let rest = Buffer::with_lines([format!("{}d", " ".repeat(19))]);
        assert_eq!(change(&text, &rest), "\u{1b}[1;1H\u{1b}[0m\u{1b}[19X\u{1b}[19Cd");
        let long = Buffer::with_lines(["x".repeat(SMALL + 1)]);
        let bytes = written(&[&long]);
        assert!(bytes.starts_with(b"\x1b[?2026h") && bytes.ends_with(b"\x1b[?2026l"));
    }

    #[test]
    fn tty_12_nothing_stays_of_a_composed_character_that_a_terminal_draws_wider() {
        let before = Buffer::with_lines(["> e\u{301}x end", "next"]);
        let after = Buffer::with_lines([">    end", "next"]);
        assert_eq!(
            String::from_utf8(written(&[&before])).unwrap(),
            "\u{1b}[1;1H\u{1b}[0m> \u{1b}[1Xe\u{301}\u{1b}[1;4Hx end\r\nnext",
            "what follows has its own column"
        );
        let bytes = change(&before, &after);
        assert!(bytes.starts_with("\u{1b}[0m\u{1b}[1;1H\u{1b}[2K"), "{bytes:?}");
        assert!(bytes.contains('>') && bytes.contains("end") && !bytes.contains("next"));
        let mut terminal = terminal();
        terminal.process(&written(&[&before]));
        // A terminal that shows the accent in a column of its own.
        terminal.process("\u{1b}[1;3He'x end".as_bytes());
        terminal.process(bytes.as_bytes());
        assert_eq!(terminal.screen().contents().trim_end(), ">    end\nnext");
        // Neither does its second column.
        let flag = Buffer::with_lines(["> \u{1f1e9}\u{1f1ea} end"]);
        let bytes = change(&flag, &Buffer::with_lines([">    end"]));
        assert!(bytes.contains("end") && !bytes.contains('\u{1f1e9}'), "{bytes:?}");
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn tty_22_a_terminal_shows_what_was_drawn(first in cells(), second in cells()) {
            let (empty, first, second) = (Buffer::empty(AREA), buffer(first), buffer(second));
            let mut steps = terminal();
            steps.process(&written(&[&first, &second]));
            // Each cell separately, with its whole style.
            let mut whole = terminal();
            for (x, y, cell) in empty.diff(&second) {
                let mut alone = Vec::new();
                let mut backend = ratatui::backend::CrosstermBackend::new(&mut alone);
                backend.draw([(x, y, cell)].into_iter()).unwrap();
                whole.process(&alone);
            }
            for (step, one) in shown(&steps).iter().zip(shown(&whole)) {
                prop_assert_eq!(step, &one);
            }
        }
    }
}
