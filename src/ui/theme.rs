//! Maps meanings to styles and, in ASCII mode, every glyph to ASCII.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType};

use crate::app::cell::Tone;
use crate::app::settings::{Background, ColorDepth, Palette, Settings, ThemeChoice};
use crate::app::state::State;

/// The role of a part of the screen, independent of its text's tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The accent colour: cursor bar, keys, focus.
    Accent,
    Border,
    DialogBorder,
    /// Title in a border, or the name of an object.
    Title,
    /// Column heading or fact label.
    Label,
    /// The row under the cursor.
    Selected,
    /// The focused button or choice.
    Focus,
    /// A disabled item.
    Off,
}

/// Colours and glyphs of one drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    pub choice: ThemeChoice,
    pub ascii: bool,
    /// Whether 24-bit colours are replaced by the nearest of xterm's 256.
    pub indexed: bool,
    /// Whether only modifiers such as bold and underline are used.
    pub colorless: bool,
    /// The terminal's background, if known and the terminal shows more than 16 colours.
    pub background: Option<Background>,
    /// The user's colours, overriding the theme's; ignored in monochrome.
    pub colors: Palette,
}

impl Theme {
    /// The theme of a state.
    pub fn of(state: &State) -> Self {
        Self::new(state.shared.theme, state.shared.background, &state.shared.settings)
    }

    /// The chosen theme, limited to what the terminal supports.
    pub fn new(chosen: ThemeChoice, background: Option<Background>, settings: &Settings) -> Self {
        let Settings { depth, ascii, colors, .. } = *settings;
        let background = background.filter(|_| depth != ColorDepth::Sixteen);
        let choice = match (chosen, background) {
            (ThemeChoice::Auto, Some(Background::Dark)) => ThemeChoice::Dark,
            (ThemeChoice::Auto, Some(Background::Light)) => ThemeChoice::Light,
            (chosen, _) => chosen,
        };
        let (indexed, colorless) = (depth == ColorDepth::Indexed, depth == ColorDepth::None);
        Self { choice, ascii, indexed, colorless, background, colors }
    }

    /// A 24-bit colour, or the nearest of xterm's 256.
    fn fine(self, hex: u32, nearest: u8) -> Color {
        if self.indexed { Color::Indexed(nearest) } else { Color::from_u32(hex) }
    }

    fn palette(self) -> Palette {
        if self.colorless || self.choice == ThemeChoice::Mono {
            return Palette::default();
        }
        self.colors.over(self.of_theme())
    }

    /// The theme's own colours.
    fn of_theme(self) -> Palette {
        match (self.choice, self.background) {
            // Of the 16 colours, those that are readable on both black and white, since the background is unknown.
            // Cyan, green and yellow are unreadable on white.
            (ThemeChoice::Auto, _) => Palette {
                accent: Some(Color::LightBlue),
                dim: None,
                busy: Some(Color::LightBlue),
                attention: Some(Color::Magenta),
                bad: Some(Color::Red),
                good: None,
                warn: Some(Color::LightRed),
            },
            (ThemeChoice::Dark, _) => Palette {
                accent: Some(self.fine(0x0082_aaff, 111)),
                dim: Some(self.fine(0x0097_9eb8, 247)),
                busy: Some(self.fine(0x007f_dbe6, 116)),
                attention: Some(self.fine(0x00ff_cb6b, 221)),
                bad: Some(self.fine(0x00ff_6e7a, 210)),
                good: Some(self.fine(0x008f_c98a, 114)),
                warn: Some(self.fine(0x00f5_9e5c, 215)),
            },
            (ThemeChoice::Light, _) => Palette {
                accent: Some(self.fine(0x0024_50b5, 25)),
                dim: Some(self.fine(0x0068_6e7d, 242)),
                busy: Some(self.fine(0x0000_6478, 24)),
                attention: Some(self.fine(0x0083_5200, 94)),
                bad: Some(self.fine(0x00b3_1d28, 88)),
                good: Some(self.fine(0x0036_6b25, 22)),
                warn: Some(self.fine(0x00a0_4200, 124)),
            },
            (ThemeChoice::HighContrast, Some(Background::Dark)) => Palette {
                accent: Some(self.fine(0x00b8_d0ff, 153)),
                dim: None,
                busy: Some(self.fine(0x008f_e9f5, 123)),
                attention: Some(self.fine(0x00ff_d88a, 222)),
                bad: Some(self.fine(0x00ff_b3b8, 217)),
                good: None,
                warn: Some(self.fine(0x00ff_c299, 223)),
            },
            (ThemeChoice::HighContrast, Some(Background::Light)) => Palette {
                accent: Some(self.fine(0x0014_307a, 18)),
                dim: None,
                busy: Some(self.fine(0x0000_4352, 17)),
                attention: Some(self.fine(0x0057_3600, 53)),
                bad: Some(self.fine(0x007d_0d16, 88)),
                good: None,
                warn: Some(self.fine(0x006e_2d00, 52)),
            },
            // No colour is readable on every background.
            (ThemeChoice::HighContrast, None) | (ThemeChoice::Mono, _) => Palette::default(),
        }
    }

    /// Style for a tone.
    pub fn tone(self, tone: Tone) -> Style {
        let palette = self.palette();
        let strong = matches!(self.choice, ThemeChoice::HighContrast | ThemeChoice::Mono);
        let (color, always, if_strong) = match tone {
            Tone::Plain => return Style::new(),
            Tone::Dim => return self.dim(),
            Tone::Busy => (palette.busy, Modifier::empty(), Modifier::empty()),
            Tone::Attention => (palette.attention, Modifier::BOLD, Modifier::UNDERLINED),
            Tone::Bad => (palette.bad, Modifier::BOLD, Modifier::REVERSED),
            Tone::Good => (palette.good, Modifier::empty(), Modifier::empty()),
            Tone::Warn => (palette.warn, Modifier::empty(), Modifier::BOLD),
        };
        let style = paint(color).add_modifier(always);
        if strong { style.add_modifier(if_strong) } else { style }
    }

    /// Like `tone`, but toned down for sentences: only single words may be loud.
    pub fn soft(self, tone: Tone) -> Style {
        let style = self.tone(tone);
        let loud = match self.choice {
            ThemeChoice::HighContrast | ThemeChoice::Mono => {
                Modifier::UNDERLINED | Modifier::REVERSED
            }
            ThemeChoice::Auto | ThemeChoice::Dark | ThemeChoice::Light => Modifier::BOLD,
        };
        Style { add_modifier: style.add_modifier.difference(loud), ..style }
    }

    fn dim(self) -> Style {
        match (self.palette().dim, self.choice) {
            (Some(color), _) => Style::new().fg(color),
            (None, ThemeChoice::HighContrast) => Style::new(),
            (None, _) => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Style for a role.
    pub fn role(self, role: Role) -> Style {
        let accent = paint(self.palette().accent);
        match role {
            Role::Accent => accent.add_modifier(Modifier::BOLD),
            Role::DialogBorder => accent,
            Role::Title => Style::new().add_modifier(Modifier::BOLD),
            Role::Border | Role::Label | Role::Off => self.dim(),
            Role::Selected => match self.choice {
                // One uniform bar, whatever the colours in the row.
                ThemeChoice::HighContrast if !self.colorless => {
                    Style::new().fg(Color::Reset).add_modifier(Modifier::REVERSED)
                }
                ThemeChoice::HighContrast | ThemeChoice::Mono => {
                    Style::new().add_modifier(Modifier::REVERSED)
                }
                ThemeChoice::Auto | ThemeChoice::Dark | ThemeChoice::Light => {
                    Style::new().add_modifier(Modifier::BOLD)
                }
            },
            Role::Focus => accent.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        }
    }

    /// A span styled by tone.
    pub fn span(self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.tone(tone))
    }

    /// A span styled by role.
    pub fn part(self, text: impl Into<String>, role: Role) -> Span<'static> {
        Span::styled(text.into(), self.role(role))
    }

    /// A pane: rounded single border.
    pub fn pane(self) -> Block<'static> {
        let block = Block::bordered().border_style(self.role(Role::Border));
        block.border_type(BorderType::Rounded)
    }

    /// A dialog: heavy border.
    pub fn dialog(self) -> Block<'static> {
        let block = Block::bordered().border_style(self.role(Role::DialogBorder));
        block.border_type(BorderType::Thick)
    }

    /// A left border title: `─ title ─`.
    pub fn title(self, spans: Vec<Span<'static>>) -> Line<'static> {
        let mut spans = above_border(spans);
        spans.insert(0, self.part("─", Role::Border));
        Line::from(spans)
    }

    /// A right border title.
    pub fn title_right(self, spans: Vec<Span<'static>>) -> Line<'static> {
        let mut spans = above_border(spans);
        spans.push(self.part("─", Role::Border));
        Line::from(spans).right_aligned()
    }

    /// The displayed name of a key; arrows and Enter have words in ASCII.
    pub fn key(self, label: &str) -> String {
        if !self.ascii {
            return label.to_owned();
        }
        label
            .replace('⏎', "enter")
            .replace('↑', "up")
            .replace('↓', "down")
            .replace('←', "left")
            .replace('→', "right")
    }
}

/// The 16 colours of a terminal with xterm's default values.
const SIXTEEN: [(Color, [u8; 3]); 16] = [
    (Color::Black, [0, 0, 0]),
    (Color::Red, [205, 0, 0]),
    (Color::Green, [0, 205, 0]),
    (Color::Yellow, [205, 205, 0]),
    (Color::Blue, [0, 0, 238]),
    (Color::Magenta, [205, 0, 205]),
    (Color::Cyan, [0, 205, 205]),
    (Color::Gray, [229, 229, 229]),
    (Color::DarkGray, [127, 127, 127]),
    (Color::LightRed, [255, 0, 0]),
    (Color::LightGreen, [0, 255, 0]),
    (Color::LightYellow, [255, 255, 0]),
    (Color::LightBlue, [92, 92, 255]),
    (Color::LightMagenta, [255, 0, 255]),
    (Color::LightCyan, [0, 255, 255]),
    (Color::White, [255, 255, 255]),
];

/// The fixed part of xterm's 256 colours: the colour cube and the greys.
fn fixed_colors() -> impl Iterator<Item = (Color, [u8; 3])> {
    (16..=255).map(|number: u8| {
        let steps = number - 16;
        let rgb = match number.checked_sub(232) {
            Some(grey) => [8 + 10 * grey; 3],
            None => [steps / 36, steps / 6 % 6, steps % 6]
                .map(|step| if step == 0 { 0 } else { 55 + 40 * step }),
        };
        (Color::Indexed(number), rgb)
    })
}

/// The colour, or the nearest one that this depth supports.
pub fn shown(color: Color, depth: ColorDepth) -> Color {
    let fixed = || fixed_colors().find(|(known, _)| *known == color);
    let rgb = if let Color::Rgb(red, green, blue) = color {
        [red, green, blue]
    } else if let Color::Indexed(number @ ..16) = color {
        return SIXTEEN.get(usize::from(number)).map_or(color, |(named, _)| *named);
    } else if let Some((_, rgb)) = fixed() {
        rgb
    } else {
        return color;
    };
    let distance = |(_, other): &(Color, [u8; 3])| {
        rgb.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>()
    };
    let nearest = match depth {
        ColorDepth::Full | ColorDepth::None => None,
        ColorDepth::Indexed => fixed_colors().min_by_key(distance),
        ColorDepth::Sixteen => SIXTEEN.into_iter().min_by_key(distance),
    };
    nearest.map_or(color, |(nearest, _)| nearest)
}

/// Titles inherit the border's style; resets whatever they do not set themselves.
fn above_border(spans: Vec<Span<'static>>) -> Vec<Span<'static>> {
    spans
        .into_iter()
        .map(|span| {
            let style = span.style;
            let dim = style.add_modifier.contains(Modifier::DIM);
            let style = Style { fg: style.fg.or(Some(Color::Reset)), ..style };
            span.style(if dim { style } else { style.remove_modifier(Modifier::DIM) })
        })
        .collect()
}

fn paint(color: Option<Color>) -> Style {
    color.map_or_else(Style::new, |color| Style::new().fg(color))
}

/// Removes underlines from leading and trailing padding.
pub fn trim_underlines(buffer: &mut Buffer) {
    let columns = usize::from(buffer.area.width).max(1);
    for row in buffer.content.chunks_mut(columns) {
        let is_line = |cell: &Cell| cell.modifier.contains(Modifier::UNDERLINED);
        for run in row.chunk_by_mut(|left, right| is_line(left) == is_line(right)) {
            let text = |cell: &Cell| cell.symbol() != " ";
            let first = run.iter().position(text).unwrap_or(run.len());
            let end = run.iter().rposition(text).map_or(0, |last| last + 1);
            for (at, cell) in run.iter_mut().enumerate() {
                if at < first || at >= end {
                    cell.modifier.remove(Modifier::UNDERLINED);
                }
            }
        }
    }
}

/// Replaces every non-ASCII cell by its ASCII form, in one pass over the screen, so that no text can be missed.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let mut characters = cell.symbol().chars();
        let plain = characters.next().map_or(' ', plain_form);
        cell.set_char(plain);
    }
}

/// Like `to_ascii`, for text outside the screen; may change its width.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { plain_form(c) }).collect()
}

fn plain_form(c: char) -> char {
    match c {
        '■' => 'N',
        '▣' => 'J',
        '▢' => 'D',
        '□' => 'O',
        '▤' => 'R',
        '▥' => 'C',
        '◆' | '◑' => 'P',
        '◌' | '·' | '▱' | '▂' => '.',
        '◔' => '/',
        '◕' => '\\',
        '●' | '•' | '▇' => '*',
        '✗' | '×' => 'x',
        '○' => 'o',
        '∅' | '─' | '┄' | '–' | '—' | '▄' => '-',
        '━' | '═' | '▅' => '=',
        '│' | '┃' | '▏' => '|',
        '╭' | '╮' | '╰' | '╯' | '┏' | '┓' | '┗' | '┛' | '✓' | '▆' => '+',
        '▁' => '_',
        '▃' => ':',
        '█' | '▰' => '#',
        '▌' | '▸' | '→' | '›' => '>',
        '←' | '◀' | '‹' => '<',
        '↑' | '▲' => '^',
        '↓' => 'v',
        '…' => '~',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        '\u{a0}' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Modifier, Style};

    use crate::app::cell::Tone;
    use crate::app::settings::{Background, ColorDepth, Palette, Settings, ThemeChoice};
    use crate::ui::theme::{Role, SIXTEEN, Theme, fixed_colors, shown, trim_underlines};

    const TONES: [Tone; 7] =
        [Tone::Plain, Tone::Dim, Tone::Busy, Tone::Attention, Tone::Bad, Tone::Good, Tone::Warn];
    const ROLES: [Role; 8] = [
        Role::Accent,
        Role::Border,
        Role::DialogBorder,
        Role::Title,
        Role::Label,
        Role::Selected,
        Role::Focus,
        Role::Off,
    ];

    fn theme(choice: ThemeChoice) -> Theme {
        Theme::new(choice, None, &Settings::defaults())
    }

    fn with(choice: ThemeChoice, background: Option<Background>, depth: ColorDepth) -> Theme {
        Theme::new(choice, background, &Settings { depth, ..Settings::defaults() })
    }

    /// xterm's default values of the 16 colours, and those of its 256-colour palette.
    fn rgb(color: Color) -> [u8; 3] {
        if let Color::Rgb(r, g, b) = color {
            return [r, g, b];
        }
        let known = SIXTEEN.into_iter().chain(fixed_colors()).find(|(name, _)| *name == color);
        known.unwrap_or_else(|| panic!("nothing is known of {color}")).1
    }

    /// Relative luminance and contrast as WCAG 2.1 defines them.
    fn contrast(color: [u8; 3], background: [u8; 3]) -> f64 {
        let luminance = |color: [u8; 3]| {
            let [r, g, b] = color.map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            });
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (a, b) = (luminance(color), luminance(background));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Common terminal backgrounds.
    const DARK: [[u8; 3]; 5] =
        [[0, 0, 0], [0x11, 0x15, 0x1c], [0x1e, 0x1e, 0x2e], [0x28, 0x2c, 0x34], [0x2e, 0x34, 0x40]];
    const LIGHT: [[u8; 3]; 3] = [[255, 255, 255], [0xf6, 0xf8, 0xfa], [0xfd, 0xf6, 0xe3]];

    #[test]
    fn tty_10_every_colour_is_readable_on_every_background_of_its_theme() {
        use crate::app::settings::Background::{Dark, Light};
        use crate::app::settings::ColorDepth::{Full, Indexed, Sixteen};
        let black_and_white = [DARK[0], LIGHT[0]];
        let mut checked = 0;
        for (choice, background, on, least) in [
            (ThemeChoice::Dark, Some(Dark), &DARK[..], 4.5),
            (ThemeChoice::Light, Some(Light), &LIGHT[..], 4.5),
            (ThemeChoice::Auto, Some(Dark), &DARK[..], 4.5),
            (ThemeChoice::Auto, Some(Light), &LIGHT[..], 4.5),
            (ThemeChoice::HighContrast, Some(Dark), &DARK[..], 7.0),
            (ThemeChoice::HighContrast, Some(Light), &LIGHT[..], 7.0),
            (ThemeChoice::HighContrast, None, &black_and_white[..], 7.0),
            // No colour exceeds 4.58 on both black and white; of the 16, these come nearest.
            (ThemeChoice::Auto, None, &black_and_white[..], 3.5),
            (ThemeChoice::Mono, None, &black_and_white[..], 7.0),
        ] {
            for depth in [Full, Indexed, Sixteen] {
                if depth == Sixteen && !matches!(choice, ThemeChoice::HighContrast) {
                    continue;
                }
                let theme = with(choice, background, depth);
                let styles = TONES.map(|tone| theme.tone(tone)).into_iter();
                for style in styles.chain(ROLES.map(|role| theme.role(role))) {
                    // Uncoloured text is as readable as the user's own; high contrast dims nothing.
                    assert!(
                        choice != ThemeChoice::HighContrast || !style.has_modifier(Modifier::DIM)
                    );
                    let color = style.fg.filter(|color| *color != Color::Reset);
                    for (color, background) in
                        color.into_iter().flat_map(|color| on.iter().map(move |on| (color, on)))
                    {
                        let found = contrast(rgb(color), *background);
                        assert!(
                            found >= least,
                            "{choice:?} {depth:?} {style:?} on {background:?}: {found:.2}"
                        );
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 200, "{checked}");
    }

    #[test]
    fn padding_is_not_underlined() {
        let style = Style::new().add_modifier(Modifier::UNDERLINED);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 9, 1));
        buffer.set_string(1, 0, " a b   ", style);
        trim_underlines(&mut buffer);
        let lines = buffer.content.iter().map(|cell| cell.modifier.contains(Modifier::UNDERLINED));
        let lines: String = lines.map(|is_line| if is_line { '_' } else { ' ' }).collect();
        assert_eq!(lines, "  ___    ");
    }

    #[test]
    fn no_theme_paints_a_background() {
        for choice in ThemeChoice::ALL {
            for tone in TONES {
                assert_eq!(theme(choice).tone(tone).bg, None, "{choice:?} {tone:?}");
            }
            for role in ROLES {
                assert_eq!(theme(choice).role(role).bg, None, "{choice:?} {role:?}");
            }
        }
    }

    #[test]
    fn tty_17_without_colours_every_theme_keeps_what_is_no_colour() {
        for choice in ThemeChoice::ALL {
            let with = theme(choice);
            let without = Theme { colorless: true, ..with };
            for (painted, plain) in TONES
                .map(|tone| (with.tone(tone), without.tone(tone)))
                .into_iter()
                .chain(ROLES.map(|role| (with.role(role), without.role(role))))
            {
                assert_eq!((plain.fg, plain.bg), (None, None), "{choice:?}");
                assert!(plain.add_modifier.contains(painted.add_modifier), "{choice:?}");
            }
        }
    }

    #[test]
    fn colours_of_the_configuration_lie_over_every_theme_with_colours() {
        let own = Color::Rgb(1, 2, 3);
        let mut settings = Settings::defaults();
        settings.colors.set("bad", own);
        settings.colors.set("nothing", own);
        let palette = Palette { bad: Some(own), ..Palette::default() };
        assert_eq!(settings.colors, palette);
        for choice in ThemeChoice::ALL {
            for background in [None, Some(Background::Dark), Some(Background::Light)] {
                settings.depth = ColorDepth::Full;
                let theme = Theme::new(choice, background, &settings);
                let plain = with(choice, background, ColorDepth::Full);
                assert_eq!(theme.tone(Tone::Good), plain.tone(Tone::Good));
                let expected = (choice != ThemeChoice::Mono).then_some(own);
                let (found, plain) = (theme.tone(Tone::Bad), plain.tone(Tone::Bad));
                assert_eq!(found.fg, expected);
                assert_eq!(found.add_modifier, plain.add_modifier);
                settings.depth = ColorDepth::None;
                assert_eq!(Theme::new(choice, background, &settings).tone(Tone::Bad).fg, None);
            }
        }
    }

    #[test]
    fn tty_10_a_colour_that_the_terminal_does_not_have_is_shown_as_the_nearest_one() {
        use ColorDepth::{Full, Indexed, Sixteen};
        let accent = Color::Rgb(0x7a, 0xa2, 0xf7);
        for (color, depth, expected) in [
            (accent, Full, accent),
            (accent, Indexed, Color::Indexed(111)),
            (accent, Sixteen, Color::LightBlue),
            (Color::Rgb(250, 0, 0), Sixteen, Color::LightRed),
            (Color::Indexed(196), Sixteen, Color::LightRed),
            (Color::Indexed(196), Indexed, Color::Indexed(196)),
            (Color::Indexed(244), Indexed, Color::Indexed(244)),
            (Color::Indexed(9), Sixteen, Color::LightRed),
            (Color::Green, Sixteen, Color::Green),
            (Color::Reset, Sixteen, Color::Reset),
        ] {
            assert_eq!(shown(color, depth), expected, "{color:?} {depth:?}");
        }
    }

    #[test]
    fn monochrome_distinguishes_urgency_without_colour() {
        let mono = theme(ThemeChoice::Mono);
        assert!(TONES.iter().all(|tone| mono.tone(*tone).fg.is_none()));
        assert!(ROLES.iter().all(|role| mono.role(*role).fg.is_none()));
        assert_ne!(mono.tone(Tone::Attention), mono.tone(Tone::Plain));
        assert!(mono.tone(Tone::Bad).add_modifier.contains(Modifier::REVERSED));
    }

    #[test]
    fn tty_11_the_automatic_theme_uses_the_sixteen_colours_alone() {
        for tone in TONES {
            let style = theme(ThemeChoice::Auto).tone(tone);
            assert!(!matches!(style.fg, Some(Color::Rgb(..) | Color::Indexed(_))));
        }
    }
}
