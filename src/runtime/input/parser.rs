//! Parses a terminal's bytes into keys and pastes, however they are split. Unsolicited replies are dropped whole. An
//! incomplete sequence waits for its rest for a limited time, so that a slow connection does not turn it into keys, and
//! a lost rest does not swallow keys.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use zeroize::Zeroizing;

use crate::runtime::input::keys;

/// Timeout for the rest of a sequence after its ESC. Users do not press a key this soon after Esc.
const AFTER_ESCAPE: Duration = Duration::from_millis(50);
/// Timeout for the rest of a sequence that is certainly one.
const INSIDE_SEQUENCE: Duration = Duration::from_millis(250);
/// Timeout for the rest of a paste.
const INSIDE_PASTE: Duration = Duration::from_secs(1);
/// Within a paste, a Ctrl-C that nothing follows for this time is a key.
const AFTER_CTRL_C: Duration = Duration::from_millis(100);

/// Longest control sequence that is kept; a longer one is ignored.
const LONGEST_SEQUENCE: usize = 64;
/// Longest paste that is kept, in bytes; the rest is dropped.
const LONGEST_PASTE: usize = 1024 * 1024;
/// Smallest read, in bytes, that cannot have been typed.
const BURST: usize = 16;
const PASTE_END: &[u8] = b"\x1b[201~";

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;

/// Incomplete input.
#[derive(Default)]
enum Pending {
    #[default]
    Nothing,
    /// A multi-byte character.
    Character(Vec<u8>),
    /// ESC, or ESC ESC.
    Escape { twice: bool },
    /// ESC O.
    SingleShift { alt: bool },
    /// ESC [ and its parameters.
    Sequence { parameters: Vec<u8>, alt: bool },
    /// ESC [ M, followed by the three bytes of a mouse report.
    Mouse(Vec<u8>),
    /// ESC [ [, followed by one byte.
    ConsoleKey,
    /// ESC and one of `]P_^X`: a string terminated by BEL or ESC \.
    String { begin: u8, is_empty: bool },
    /// ESC inside a string.
    StringEnd,
    /// May contain a token.
    Paste(Zeroizing<Vec<u8>>),
}

/// Collects bytes and emits events.
#[derive(Default)]
pub struct Parser {
    pending: Pending,
    /// The last ESC was taken for the key; a late rest is recognized by its first two bytes.
    escape_was_key: bool,
    /// The last paste timed out; a burst is more of it.
    paste_was_given_up: bool,
    events: Vec<Event>,
}

impl Parser {
    /// Processes the bytes of one read; returns completed events.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let is_rest = matches!(bytes, [b'[', b'<' | b'?' | b'0'..=b'9' | b'A'..=b'Z', ..])
            || matches!(bytes, [b']', b'0'..=b'9', ..]);
        if std::mem::take(&mut self.escape_was_key) && is_rest {
            self.pending = Pending::Escape { twice: false };
        }
        if std::mem::take(&mut self.paste_was_given_up) && bytes.len() >= BURST {
            self.pending = empty_paste();
        }
        for byte in bytes {
            self.take(*byte);
        }
        std::mem::take(&mut self.events)
    }

    /// How long to wait for more bytes before [`Parser::expire`]; `None` if nothing is incomplete.
    pub fn patience(&self) -> Option<Duration> {
        Some(match &self.pending {
            Pending::Nothing => return None,
            Pending::Escape { .. } => AFTER_ESCAPE,
            Pending::Paste(text) if text.last() == Some(&CTRL_C) => AFTER_CTRL_C,
            Pending::Paste(_) => INSIDE_PASTE,
            Pending::Character(_)
            | Pending::SingleShift { .. }
            | Pending::Sequence { .. }
            | Pending::Mouse(_)
            | Pending::ConsoleKey
            | Pending::String { .. }
            | Pending::StringEnd => INSIDE_SEQUENCE,
        })
    }

    /// Handles a timeout: what can be a key becomes one, the rest is dropped.
    pub fn expire(&mut self) -> Vec<Event> {
        match std::mem::take(&mut self.pending) {
            Pending::Escape { twice } => {
                self.escape_was_key = true;
                self.key(KeyCode::Esc.into());
                if twice {
                    self.key(KeyCode::Esc.into());
                }
            }
            Pending::SingleShift { alt: false } => self.alt_character('O'),
            Pending::Sequence { parameters, alt: false } if parameters.is_empty() => {
                self.alt_character('[');
            }
            Pending::String { begin, is_empty: true } => self.alt_character(char::from(begin)),
            Pending::Paste(text) if text.last() == Some(&CTRL_C) => self.take(CTRL_C),
            Pending::Paste(text) => {
                self.paste_was_given_up = true;
                self.paste(&text);
            }
            Pending::Nothing
            | Pending::Character(_)
            | Pending::SingleShift { .. }
            | Pending::Sequence { .. }
            | Pending::Mouse(_)
            | Pending::ConsoleKey
            | Pending::String { .. }
            | Pending::StringEnd => {}
        }
        std::mem::take(&mut self.events)
    }

    fn take(&mut self, byte: u8) {
        self.pending = match std::mem::take(&mut self.pending) {
            Pending::Nothing => self.begin(byte),
            Pending::Character(begun) => self.continue_character(begun, byte),
            Pending::Escape { twice } => self.after_escape(byte, twice),
            Pending::SingleShift { alt } => {
                match keys::single_shift(byte) {
                    Some(code) => self.key(with_alt(code.into(), alt)),
                    None if byte.is_ascii_graphic() => {}
                    None => return self.take(byte),
                }
                Pending::Nothing
            }
            Pending::Sequence { parameters, alt } => self.continue_sequence(parameters, byte, alt),
            Pending::Mouse(_) | Pending::ConsoleKey if byte < b' ' => self.begin(byte),
            Pending::Mouse(mut report) => {
                report.push(byte);
                if report.len() < 3 {
                    Pending::Mouse(report)
                } else {
                    self.events.extend(keys::plain_mouse(&report));
                    Pending::Nothing
                }
            }
            Pending::ConsoleKey => {
                if let Some(code) = keys::console_key(byte) {
                    self.key(code.into());
                }
                Pending::Nothing
            }
            Pending::StringEnd => self.after_escape(byte, false),
            Pending::String { begin, is_empty } => self.continue_string(begin, byte, is_empty),
            Pending::Paste(text) => self.continue_paste(text, byte),
        };
    }

    fn begin(&mut self, byte: u8) -> Pending {
        match byte {
            ESC => return Pending::Escape { twice: false },
            0..=0x7f => self.key(keys::character(byte.into())),
            0xc2..=0xf4 => return Pending::Character(vec![byte]),
            // Cannot start a character.
            0x80..=0xc1 | 0xf5..=0xff => {}
        }
        Pending::Nothing
    }

    fn continue_character(&mut self, mut begun: Vec<u8>, byte: u8) -> Pending {
        begun.push(byte);
        match std::str::from_utf8(&begun) {
            Ok(text) => {
                if let Some(c) = text.chars().next() {
                    self.key(keys::character(c));
                }
                Pending::Nothing
            }
            Err(error) if error.error_len().is_none() => Pending::Character(begun),
            // The incomplete character is dropped.
            Err(_) => self.begin(byte),
        }
    }

    fn after_escape(&mut self, byte: u8, twice: bool) -> Pending {
        match byte {
            ESC => {
                if twice {
                    self.key(KeyCode::Esc.into());
                }
                return Pending::Escape { twice: true };
            }
            b'[' => return Pending::Sequence { parameters: Vec::new(), alt: twice },
            b'O' => return Pending::SingleShift { alt: twice },
            // Ctrl-C always works, so that the user can quit.
            CTRL_C => return self.begin(byte),
            _ => {}
        }
        if twice {
            self.key(KeyCode::Esc.into());
        }
        match byte {
            b']' | b'P' | b'_' | b'^' | b'X' => {
                return Pending::String { begin: byte, is_empty: true };
            }
            // The terminator of a string that was given up.
            b'\\' => {}
            0..=0x7f => self.key(with_alt(keys::character(byte.into()), true)),
            0x80..=0xff => return self.begin(byte),
        }
        Pending::Nothing
    }

    fn continue_sequence(&mut self, mut parameters: Vec<u8>, byte: u8, alt: bool) -> Pending {
        match byte {
            b' '..=b'?' => {
                if parameters.len() < LONGEST_SEQUENCE {
                    parameters.push(byte);
                }
                return Pending::Sequence { parameters, alt };
            }
            b'[' if parameters.is_empty() => return Pending::ConsoleKey,
            b'M' if parameters.is_empty() => return Pending::Mouse(Vec::new()),
            b'~' if parameters == b"200" => return empty_paste(),
            b'@'..=b'~' if parameters.len() < LONGEST_SEQUENCE => {
                match keys::control_sequence(&parameters, byte) {
                    Some(Event::Key(key)) => self.key(with_alt(key, alt)),
                    Some(event) => self.events.push(event),
                    None => {}
                }
            }
            b'@'..=b'~' => {}
            // Not part of a sequence, which was truncated.
            _ => return self.begin(byte),
        }
        Pending::Nothing
    }

    fn continue_string(&mut self, begin: u8, byte: u8, is_empty: bool) -> Pending {
        // Replies start like this; anything else is Alt plus a key, and the key after it.
        let belongs = match begin {
            b']' => byte.is_ascii_digit(),
            b'P' => matches!(byte, b' '..=b'?'),
            _ => byte >= b' ',
        };
        match byte {
            0x07 if !is_empty => Pending::Nothing,
            // A second byte terminates the string or starts something else.
            ESC => Pending::StringEnd,
            _ if is_empty && !belongs => {
                self.alt_character(char::from(begin));
                self.begin(byte)
            }
            b' '.. => Pending::String { begin, is_empty: false },
            // Not part of a string, which was truncated.
            _ => self.begin(byte),
        }
    }

    fn continue_paste(&mut self, mut text: Zeroizing<Vec<u8>>, byte: u8) -> Pending {
        if text.len() >= LONGEST_PASTE {
            // Keep the last bytes to recognize the terminator.
            text.remove(LONGEST_PASTE - PASTE_END.len());
        }
        text.push(byte);
        if let Some(text) = text.strip_suffix(PASTE_END) {
            self.paste(text);
            return Pending::Nothing;
        }
        Pending::Paste(text)
    }

    fn paste(&mut self, text: &[u8]) {
        self.events.push(Event::Paste(String::from_utf8_lossy(text).into_owned()));
    }

    fn key(&mut self, key: KeyEvent) {
        self.events.push(Event::Key(key));
    }

    fn alt_character(&mut self, c: char) {
        self.key(with_alt(keys::character(c), true));
    }
}

fn empty_paste() -> Pending {
    // A growing buffer would leave copies behind.
    Pending::Paste(Zeroizing::new(Vec::with_capacity(LONGEST_PASTE)))
}

fn with_alt(mut key: KeyEvent, alt: bool) -> KeyEvent {
    key.modifiers.set(KeyModifiers::ALT, alt || key.modifiers.contains(KeyModifiers::ALT));
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEventKind};
    use proptest::prelude::*;

    use crate::fuzz::{changed, fuzz};
    use crate::runtime::input::parser::{LONGEST_PASTE, Parser, Pending};

    fn key(code: KeyCode) -> Event {
        Event::Key(code.into())
    }

    fn keys(text: &str) -> Vec<Event> {
        text.chars().map(|c| key(KeyCode::Char(c))).collect()
    }

    #[test]
    fn host_04_a_paste_that_is_collected_never_moves() {
        let mut parser = Parser::default();
        let mut place = |bytes: &[u8]| {
            parser.feed(bytes);
            let Pending::Paste(text) = &parser.pending else { panic!("a paste") };
            text.as_ptr()
        };
        let first = place(b"\x1b[200~eyJ");
        assert_eq!(first, place(&vec![b'a'; 100_000]));
        assert_eq!(first, place(&vec![b'a'; LONGEST_PASTE]));
    }

    /// Parses all bytes in one read, followed by silence.
    fn parsed(bytes: &[u8]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = parser.feed(bytes);
        events.extend(parser.expire());
        events
    }

    #[test]
    fn keys_are_what_terminals_send_for_them() {
        let with = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        for (bytes, event) in [
            (&b"\x1b[A"[..], key(KeyCode::Up)),
            (b"\x1bOB", key(KeyCode::Down)),
            (b"\x1b[1;5C", with(KeyCode::Right, KeyModifiers::CONTROL)),
            (b"\x1b\x1b[D", with(KeyCode::Left, KeyModifiers::ALT)),
            (b"\x1b[3~", key(KeyCode::Delete)),
            (b"\x1b[5;3~", with(KeyCode::PageUp, KeyModifiers::ALT)),
            (b"\x1b[15~", key(KeyCode::F(5))),
            (b"\x1b[24~", key(KeyCode::F(12))),
            (b"\x1bOQ", key(KeyCode::F(2))),
            (b"\x1b[[B", key(KeyCode::F(2))),
            (b"\x1b[Z", with(KeyCode::BackTab, KeyModifiers::SHIFT)),
            (b"\x1bj", with(KeyCode::Char('j'), KeyModifiers::ALT)),
            (b"\x1b[", with(KeyCode::Char('['), KeyModifiers::ALT)),
            (b"\x1b]", with(KeyCode::Char(']'), KeyModifiers::ALT)),
            (b"\x1b[97;5u", with(KeyCode::Char('a'), KeyModifiers::CONTROL)),
            (b"\x03", with(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            (b"\x1c", with(KeyCode::Char('4'), KeyModifiers::CONTROL)),
            (b"\0", with(KeyCode::Char(' '), KeyModifiers::CONTROL)),
            (b"K", with(KeyCode::Char('K'), KeyModifiers::SHIFT)),
            (b"\r", key(KeyCode::Enter)),
            (b"\x7f", key(KeyCode::Backspace)),
            (b"\x1b", key(KeyCode::Esc)),
            ("\u{e9}".as_bytes(), key(KeyCode::Char('\u{e9}'))),
            ("\u{1f642}".as_bytes(), key(KeyCode::Char('\u{1f642}'))),
        ] {
            assert_eq!(parsed(bytes), [event], "{bytes:?}");
        }
        for report in [&b"\x1b[<65;10;5M"[..], b"\x1b[97;10;5M", b"\x1b[Ma*%"] {
            let Event::Mouse(wheel) = parsed(report)[0] else { unreachable!() };
            assert_eq!((wheel.kind, wheel.column, wheel.row), (MouseEventKind::ScrollDown, 9, 4));
        }
    }

    #[test]
    fn tty_13_a_sequence_that_was_cut_anywhere_is_one_event() {
        for (bytes, event) in [
            (&b"\x1b[C"[..], key(KeyCode::Right)),
            (b"\x1bOC", key(KeyCode::Right)),
            (b"\x1b[15~", key(KeyCode::F(5))),
            (b"\x1b[200~qy\r\x1b[201~", Event::Paste("qy\r".to_owned())),
        ] {
            for cut in 1..bytes.len() {
                let mut parser = Parser::default();
                // Preceded by a key, so that the ESC is not always the first byte.
                assert_eq!(parser.feed(b"j"), keys("j"));
                let mut events = parser.feed(&bytes[..cut]);
                assert!(parser.patience() >= Some(Duration::from_millis(50)), "{cut}");
                events.extend(parser.feed(&bytes[cut..]));
                assert_eq!((events, parser.patience()), (vec![event.clone()], None), "{cut}");
            }
        }
    }

    #[test]
    fn tty_13_a_rest_that_comes_too_late_is_no_keys() {
        for (rest, events) in [
            (&b"[C"[..], vec![key(KeyCode::Right)]),
            (b"[200~q\x1b[201~", vec![Event::Paste("q".to_owned())]),
            (b"]11;rgb:1e1e/1e1e/1e1e\x07", vec![]),
        ] {
            let mut parser = Parser::default();
            assert_eq!(parser.feed(b"\x1b"), []);
            assert_eq!(parser.expire(), [key(KeyCode::Esc)]);
            assert_eq!(parser.feed(rest), events);
        }
    }

    #[test]
    fn tty_07_tty_19_answers_nobody_asked_for_are_dropped_whole() {
        for answer in [
            &b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"[..],
            b"\x1b]11;rgb:1e1e/1e1e/1e1e\x07",
            b"\x1b]52;c;cXVpdA==\x07",
            b"\x1b[?62;4;6c",
            b"\x1b[>41;377;0c",
            b"\x1b[=1;2c",
            b"\x1b[12;40R",
            b"\x1b[?2026;2$y",
            b"\x1b[8;40;140t",
            b"\x1bP>|XTerm(377)\x1b\\",
            b"\x1bP1$r0 q\x1b\\",
            b"\x1b_Gi=1;OK\x1b\\",
            b"\x1b^private\x1b\\",
            b"\x1b[999999999999;1~",
        ] {
            assert_eq!(parsed(&[b"j", answer, b"k"].concat()), keys("jk"), "{answer:?}");
            // Truncated: keys work again after the timeout, Ctrl-C immediately.
            for cut in 3..answer.len() {
                let mut parser = Parser::default();
                parser.feed(&answer[..cut]);
                parser.expire();
                assert_eq!(parser.feed(b"k"), keys("k"), "{answer:?} {cut}");
                parser.feed(&answer[..cut]);
                let ended = parser.feed(b"\x03");
                assert_eq!(ended, parsed(b"\x03"), "{answer:?} {cut}");
            }
        }
    }

    #[test]
    fn tty_20_a_paste_whose_end_never_comes_ends_by_itself_or_by_ctrl_c() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b[200~qy"), []);
        assert_eq!(parser.expire(), [Event::Paste("qy".to_owned())]);
        assert_eq!(parser.feed(b"j"), keys("j"));
        parser.feed(b"\x1b[200~qy\x03");
        assert!(parser.patience() < Some(Duration::from_millis(500)));
        assert_eq!(parser.expire(), parsed(b"\x03"));
        parser.feed(b"\x1b[200~q");
        parser.expire();
        assert_eq!(parser.feed(b"and quit: \x03qqqqqy\r"), [], "a rest that was late is no keys");
        assert_eq!(parser.feed(b"\x1b[201~").len(), 1);
        // As part of a paste it is followed by more text.
        let paste = Event::Paste("q\u{3}y".to_owned());
        assert_eq!(parsed(b"\x1b[200~q\x03y\x1b[201~"), [paste]);
    }

    #[test]
    fn tty_08_an_endless_paste_takes_bounded_memory() {
        let mut parser = Parser::default();
        parser.feed(b"\x1b[200~");
        for _ in 0..3 {
            parser.feed(&vec![b'x'; LONGEST_PASTE]);
        }
        let [Event::Paste(text)] = &parser.feed(b"\x1b[201~")[..] else { unreachable!() };
        assert_eq!(text.len(), LONGEST_PASTE - 6);
    }

    #[test]
    fn tty_07_tty_13_fuzz_terminal_input() {
        let seeds: Vec<Vec<u8>> = [
            &b"jjkk/web\r\x1b"[..],
            b"\x1b[A\x1bOB\x1b[1;5C\x1b\x1b[D\x1b[3~\x1b[[B\x1b[97;5u\x1bj",
            b"\x1b[<65;10;5M\x1b[<0;999;1m\x1b[97;10;5M\x1b[Ma*%",
            b"a\x1b[200~line\r\nq\x03\x1b[31m\x1b[201~b",
            b"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1bP>|XTerm(377)\x1b\\\x1b_Gi=1;OK\x1b\\\x1b[?62;4;6c",
            "\u{e9}\u{1f642}\u{65e5}".as_bytes(),
        ].map(<[u8]>::to_vec).into();
        let words = [
            "\x1b",
            "\x1b[",
            "\x1bO",
            "\x1b]",
            "\x1bP",
            "\x1b\\",
            "\x1b[200~",
            "\x1b[201~",
            "\x1b[M",
            "\x1b[<",
            ";",
            "~",
            "\x07",
            "\x03",
            "\x1a",
            "99999999999",
            "u",
            "M",
            "R",
            "?",
        ];
        let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..6);
        fuzz(256, &(changed(seeds, &words), cuts), |(bytes, cuts)| {
            let whole = parsed(&bytes);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for pair in cuts.windows(2) {
                events.extend(parser.feed(&bytes[pair[0]..pair[1]]));
            }
            events.extend(parser.expire());
            prop_assert!(events.len() <= bytes.len());
            prop_assert_eq!(events, whole);
            prop_assert_eq!(parser.patience(), None);
            // Whatever came before, Ctrl-C arrives. Three of the bytes may belong to a mouse report.
            let mut parser = Parser::default();
            parser.feed(&bytes);
            let mut ended = parser.feed(&[3; 4]);
            ended.extend(parser.expire());
            prop_assert!(ended.contains(&parsed(b"\x03")[0]));
            Ok(())
        });
    }
}
