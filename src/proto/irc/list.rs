//! Conditions of `LIST` (Modern IRC, "ELIST"): masks, members, and how old a channel and its topic are.

use super::target;

/// A condition that a channel has to meet. Times are in minutes before now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Its name is this one, or the mask fits it (`M`).
    Name(String),
    /// The mask does not fit (`N`).
    NotName(String),
    /// It has more members (`U`).
    More(usize),
    /// It has fewer (`U`).
    Fewer(usize),
    /// It was made earlier (`C`).
    MadeBefore(u64),
    /// It was made since then (`C`).
    MadeSince(u64),
    /// Its topic was set earlier (`T`).
    TopicBefore(u64),
    /// Its topic was set since then (`T`).
    TopicSince(u64),
}

/// What is known of a channel. Times are in minutes before now.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its members.
    pub members: usize,
    /// When it was made.
    pub made: u64,
    /// When its topic was set.
    pub topic: Option<u64>,
}

/// The conditions in the parameter of `LIST`. What is none is the name of a channel.
#[must_use]
pub fn parse(list: &str) -> Vec<Condition> {
    let condition = |word: &str| {
        let read = |sign: &str| word.strip_prefix(sign).and_then(|number| number.parse::<u64>().ok());
        let count = |sign: &str| word.strip_prefix(sign).and_then(|number| number.parse::<usize>().ok());
        // `C<10` is less than ten minutes ago: since then.
        let known = (count(">").map(Condition::More))
            .or_else(|| count("<").map(Condition::Fewer))
            .or_else(|| read("C>").map(Condition::MadeBefore))
            .or_else(|| read("C<").map(Condition::MadeSince))
            .or_else(|| read("T>").map(Condition::TopicBefore))
            .or_else(|| read("T<").map(Condition::TopicSince));
        known.unwrap_or_else(|| match word.strip_prefix('!') {
            Some(mask) => Condition::NotName(mask.to_owned()),
            None => Condition::Name(word.to_owned()),
        })
    };
    target::split(list).map(condition).collect()
}

/// Whether a channel meets the conditions: one of the names, if there are any, and all others. `fits` holds a mask against a name.
pub fn meets(conditions: &[Condition], channel: Channel<'_>, fits: impl Fn(&str, &str) -> bool) -> bool {
    let mut named = conditions.iter().filter(|condition| matches!(condition, Condition::Name(_))).peekable();
    let by_name = named.peek().is_none()
        || named.any(|condition| matches!(condition, Condition::Name(mask) if fits(mask, channel.name)));
    by_name
        && conditions.iter().all(|condition| match condition {
            Condition::Name(_) => true,
            Condition::NotName(mask) => !fits(mask, channel.name),
            Condition::More(count) => channel.members > *count,
            Condition::Fewer(count) => channel.members < *count,
            Condition::MadeBefore(minutes) => channel.made >= *minutes,
            Condition::MadeSince(minutes) => channel.made < *minutes,
            Condition::TopicBefore(minutes) => channel.topic.is_some_and(|topic| topic >= *minutes),
            Condition::TopicSince(minutes) => channel.topic.is_some_and(|topic| topic < *minutes),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let found = parse(">3,<10,C>60,C<5,T>1,T<2,!*b*,#a*,>x");
        let name = |text: &str| Condition::Name(text.to_owned());
        let expected = [
            Condition::More(3),
            Condition::Fewer(10),
            Condition::MadeBefore(60),
            Condition::MadeSince(5),
            Condition::TopicBefore(1),
            Condition::TopicSince(2),
            Condition::NotName("*b*".into()),
            name("#a*"),
            name(">x"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn channels_meet_them() {
        let channel = Channel { name: "#abc", members: 5, made: 30, topic: Some(10) };
        let silent = Channel { topic: None, ..channel };
        let rows = [
            ("", true, true),
            ("#abc", true, true),
            ("#xyz,#abc", true, true),
            ("#xyz", false, false),
            ("!#abc", false, false),
            ("!#xyz", true, true),
            (">4,<6", true, true),
            (">5", false, false),
            ("<5", false, false),
            ("C>30", true, true),
            ("C<30", false, false),
            ("C<31", true, true),
            ("T<11", true, false),
            ("T>10", true, false),
            ("T>11", false, false),
        ];
        for (list, with, without) in rows {
            let meets = |channel| meets(&parse(list), channel, |mask, name| mask == name);
            assert_eq!((meets(channel), meets(silent)), (with, without), "{list}");
        }
    }
}
