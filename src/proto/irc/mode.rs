//! Modes of channels and of users (Modern IRC, "MODE message" and "Channel Mode Types").

use super::write::Line;

/// How a channel mode takes its parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of masks; without a parameter the list is asked for.
    List,
    /// Always with one.
    Always,
    /// With one when it is set.
    WhenSet,
    /// Never.
    Never,
    /// A prefix of a member, with a nickname.
    Prefix,
}

/// Channel modes: letter, kind, and what it means.
pub const CHANNEL: &[(char, Kind, &str)] = &[
    ('b', Kind::List, "who may not enter or speak; m:mask only silences"),
    ('e', Kind::List, "who may, in spite of a ban"),
    ('I', Kind::List, "who needs no invitation"),
    ('k', Kind::Always, "what has to be said to enter"),
    (
        'f',
        Kind::WhenSet,
        "seconds between two messages of a member; or, with a #channel, where those go who may not enter",
    ),
    ('l', Kind::WhenSet, "members at most"),
    ('C', Kind::Never, "no CTCP but actions"),
    ('M', Kind::Never, "only accounts and those with + or more speak"),
    ('P', Kind::Never, "it lasts while nobody is in it"),
    ('R', Kind::Never, "only accounts enter"),
    ('U', Kind::Never, "what those without + say is read by operators alone"),
    ('i', Kind::Never, "only the invited enter"),
    ('m', Kind::Never, "only those with + or more speak"),
    ('n', Kind::Never, "only members speak"),
    ('s', Kind::Never, "not listed, and unseen by others"),
    ('t', Kind::Never, "only operators set the topic"),
    ('u', Kind::Never, "operators and those with + alone are shown, but to operators"),
    ('o', Kind::Prefix, "operator, @"),
    ('q', Kind::Prefix, "owner, ~"),
    ('v', Kind::Prefix, "voiced, +"),
];

/// User modes: letter, whether a user can set it, and what it means.
pub const USER: &[(char, bool, &str)] = &[
    ('B', true, "is a bot"),
    ('R', true, "hears those who are logged in, and whom it has let by ACCEPT"),
    ('T', true, "is sent no CTCP but actions"),
    ('i', true, "is not found by masks, but by members of the same channels"),
    ('o', false, "operates the server"),
    ('r', false, "is logged in"),
    ('w', true, "gets WALLOPS"),
];

/// Changes of a command at most: the token MODES. Those that follow are not read.
pub const MAX_CHANGES: usize = 20;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Set, or taken away.
    pub add: bool,
    /// Which mode.
    pub letter: char,
    /// Its parameter.
    pub param: Option<&'a str>,
}

/// What a `MODE` command asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes<'a> {
    /// Changes, in order.
    pub changes: Vec<Change<'a>>,
    /// Lists that are asked for, each once.
    pub lists: Vec<char>,
    /// Letters that are no modes, each once.
    pub unknown: Vec<char>,
    /// Letters whose parameter is missing.
    pub missing: Vec<char>,
}

/// Reads the parameters of `MODE` behind the channel: `+ov-k alice bob *`.
#[must_use]
pub fn parse_channel<'a>(params: &[&'a str]) -> Changes<'a> {
    let mut found = Changes::default();
    let mut rest = params.iter().copied();
    let Some(letters) = rest.next() else { return found };
    let mut add = true;
    for letter in letters.chars() {
        match letter {
            '+' => add = true,
            '-' => add = false,
            _ if found.changes.len() == MAX_CHANGES => return found,
            _ => found.take(add, letter, &mut rest),
        }
    }
    found
}

impl<'a> Changes<'a> {
    fn take(&mut self, add: bool, letter: char, rest: &mut impl Iterator<Item = &'a str>) {
        let once = |list: &mut Vec<char>| {
            if !list.contains(&letter) {
                list.push(letter);
            }
        };
        let Some((_, kind, _)) = CHANNEL.iter().find(|(known, ..)| *known == letter) else {
            return once(&mut self.unknown);
        };
        let param = match kind {
            Kind::Never => None,
            Kind::WhenSet if !add => None,
            Kind::List | Kind::Always | Kind::WhenSet | Kind::Prefix => {
                match rest.next().filter(|param| !param.is_empty()) {
                    Some(param) => Some(param),
                    None if *kind == Kind::List => return once(&mut self.lists),
                    // A key is taken away without being known, too.
                    None if *kind == Kind::Always && !add => None,
                    None => return once(&mut self.missing),
                }
            }
        };
        self.changes.push(Change { add, letter, param });
    }
}

/// Reads the parameter of `MODE` behind one's own name.
#[must_use]
pub fn parse_user(letters: &str) -> (Vec<(bool, char)>, bool) {
    let (mut add, mut unknown, mut changes) = (true, false, Vec::new());
    for letter in letters.chars().take(2 * MAX_CHANGES) {
        match letter {
            '+' => add = true,
            '-' => add = false,
            _ if USER.iter().any(|(known, ..)| *known == letter) => changes.push((add, letter)),
            _ => unknown = true,
        }
    }
    (changes, unknown)
}

/// The value of the token CHANMODES: types A to D.
#[must_use]
pub fn chanmodes() -> String {
    let of = |wanted| {
        CHANNEL.iter().filter(|(_, kind, _)| *kind == wanted).map(|(letter, ..)| *letter).collect::<String>()
    };
    [Kind::List, Kind::Always, Kind::WhenSet, Kind::Never].map(of).join(",")
}

/// A change that was made, with a parameter of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Set, or taken away.
    pub add: bool,
    /// Which mode.
    pub letter: char,
    /// Its parameter.
    pub param: Option<String>,
}

impl Made {
    /// A change with or without a parameter.
    #[must_use]
    pub fn new(add: bool, letter: char, param: Option<&str>) -> Self {
        Self { add, letter, param: param.map(str::to_owned) }
    }
}

/// Letters with their signs, and the parameters: `+ov-k`, then `alice bob *`.
#[must_use]
pub fn write(changes: &[Made]) -> (String, Vec<&str>) {
    let (mut letters, mut params, mut sign) = (String::new(), Vec::new(), None);
    for change in changes {
        if sign != Some(change.add) {
            letters.push(if change.add { '+' } else { '-' });
            sign = Some(change.add);
        }
        letters.push(change.letter);
        params.extend(change.param.as_deref());
    }
    (letters, params)
}

/// The changes as lines `:source MODE target ...`: as many as are needed to keep each within its length, and to [`MAX_CHANGES`].
#[must_use]
pub fn lines(source: &str, target: &str, changes: &[Made]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut rest = changes;
    while !rest.is_empty() {
        let room = Line::new(source, "MODE").param(target).room();
        let mut bytes = 0;
        let fits = rest.iter().take(MAX_CHANGES).take_while(|change| {
            bytes += 2 + change.param.as_ref().map_or(0, |param| param.len() + 1);
            bytes <= room
        });
        let (now, later) = rest.split_at(fits.count().max(1));
        let (letters, params) = write(now);
        let line = Line::new(source, "MODE").param(target).param(&letters);
        lines.push(params.iter().fold(line, |line, param| line.param(param)));
        rest = later;
    }
    lines
}

/// Lines of which those that follow each other and change modes of the same channel, by the same source, have become one. The tags are
/// those of the last.
#[must_use]
pub fn joined(lines: Vec<Line>) -> Vec<Line> {
    let mut joined: Vec<(Line, Option<Parsed>)> = Vec::new();
    for line in lines {
        let parsed = parse_line(&line);
        if let (Some(new), Some((last, Some(old)))) = (&parsed, joined.last_mut())
            && (&new.0, &new.1) == (&old.0, &old.1)
            && old.2.len() + new.2.len() <= MAX_CHANGES
        {
            old.2.extend(new.2.iter().cloned());
            if let [one] = &self::lines(&old.0, &old.1, &old.2)[..] {
                *last = line.with_body_of(one);
                continue;
            }
            old.2.truncate(old.2.len() - new.2.len());
        }
        joined.push((line, parsed));
    }
    joined.into_iter().map(|(line, _)| line).collect()
}

/// Source, channel and changes of a line `:source MODE #channel ...` that the server has written.
type Parsed = (String, String, Vec<Made>);

fn parse_line(line: &Line) -> Option<Parsed> {
    let (source, rest) = line.body().strip_prefix(':')?.split_once(' ')?;
    let mut words = rest.strip_prefix("MODE #")?.split(' ');
    let channel = format!("#{}", words.next()?);
    let params: Vec<&str> = words.map(|word| word.strip_prefix(':').unwrap_or(word)).collect();
    let read = parse_channel(&params);
    if !read.lists.is_empty() || !read.unknown.is_empty() || !read.missing.is_empty() {
        return None;
    }
    let made = read.changes.iter().map(|change| Made::new(change.add, change.letter, change.param));
    Some((source.to_owned(), channel, made.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(letter: char, param: Option<&str>) -> Change<'_> {
        Change { add: true, letter, param }
    }

    fn unset(letter: char, param: Option<&str>) -> Change<'_> {
        Change { add: false, letter, param }
    }

    #[test]
    fn parameters_go_to_the_modes_that_take_one() {
        let rows: [(&[&str], &[Change<'_>]); 8] = [
            (&["+o", "a"], &[set('o', Some("a"))]),
            (&["o", "a"], &[set('o', Some("a"))]),
            (&["+ov-k", "a", "b", "*"], &[set('o', Some("a")), set('v', Some("b")), unset('k', Some("*"))]),
            (&["+im-nt"], &[set('i', None), set('m', None), unset('n', None), unset('t', None)]),
            (&["+l-l", "5"], &[set('l', Some("5")), unset('l', None)]),
            (&["-k"], &[unset('k', None)]),
            (&["+b-e", "a!*@*", "b"], &[set('b', Some("a!*@*")), unset('e', Some("b"))]),
            (&["+-+"], &[]),
        ];
        for (params, expected) in rows {
            let found = parse_channel(params);
            assert_eq!(found.changes, expected, "{params:?}");
            assert!(found.lists.is_empty() && found.unknown.is_empty() && found.missing.is_empty());
        }
    }

    #[test]
    fn what_is_no_change() {
        let found = parse_channel(&["+beb?o!?kl"]);
        assert_eq!(found.lists, ['b', 'e']);
        assert_eq!(found.unknown, ['?', '!']);
        assert_eq!(found.missing, ['o', 'k', 'l']);
        assert_eq!(found.changes, []);
        assert_eq!(parse_channel(&[]), Changes::default());
    }

    #[test]
    fn a_command_has_a_limit_of_changes() {
        let letters = "+".to_owned() + &"i".repeat(1000);
        assert_eq!(parse_channel(&[letters.as_str()]).changes.len(), MAX_CHANGES);
    }

    #[test]
    fn modes_of_users() {
        assert_eq!(parse_user("+iw-B"), (vec![(true, 'i'), (true, 'w'), (false, 'B')], false));
        assert_eq!(parse_user("i?"), (vec![(true, 'i')], true));
    }

    #[test]
    fn the_token_names_all_modes() {
        assert_eq!(chanmodes(), "beI,k,fl,CMPRUimnstu");
    }

    #[test]
    fn changes_are_written_as_they_are_read() {
        let made =
            [Made::new(true, 'o', Some("a")), Made::new(true, 'i', None), Made::new(false, 'k', Some("*"))];
        assert_eq!(write(&made), ("+oi-k".to_owned(), vec!["a", "*"]));
        let lines = lines("x", "#a", &made);
        assert_eq!(lines.iter().map(Line::body).collect::<Vec<_>>(), [":x MODE #a +oi-k a *"]);
    }

    #[test]
    fn many_changes_need_several_lines() {
        let mask = format!("{}!*@*", "m".repeat(140));
        let made: Vec<Made> = (0..10).map(|_| Made::new(true, 'b', Some(&mask))).collect();
        let lines = lines("x", "#a", &made);
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.body().ends_with("!*@*") && line.body().len() <= 510));
    }

    #[test]
    fn lines_of_one_source_and_channel_become_one() {
        let line = |text: &str| Line::from_text(text);
        let rows: [(&[&str], &[&str]); 6] = [
            (&[":a MODE #a +i", ":a MODE #a +m"], &[":a MODE #a +im"]),
            (&["@msgid=1 :a MODE #a -i", "@msgid=2 :a MODE #a +o b"], &["@msgid=2 :a MODE #a -i+o b"]),
            (&[":a MODE #a +i", ":b MODE #a +m"], &[":a MODE #a +i", ":b MODE #a +m"]),
            (&[":a MODE #a +i", ":a MODE #b +m"], &[":a MODE #a +i", ":a MODE #b +m"]),
            (
                &[":a MODE #a +i", ":a PRIVMSG #a :x", ":a MODE #a +m"],
                &[":a MODE #a +i", ":a PRIVMSG #a :x", ":a MODE #a +m"],
            ),
            (&[":a MODE a +i", ":a MODE a +w"], &[":a MODE a +i", ":a MODE a +w"]),
        ];
        for (lines, expected) in rows {
            let found = joined(lines.iter().map(|text| line(text)).collect());
            let found: Vec<String> = found
                .iter()
                .map(|line| String::from_utf8_lossy(&line.to_bytes()).trim_end().to_owned())
                .collect();
            assert_eq!(found, expected);
        }
        let many: Vec<Line> = (0..MAX_CHANGES + 1).map(|_| line(":a MODE #a +o b")).collect();
        assert_eq!(joined(many).len(), 2, "no line has more changes than a command may");
    }
}
