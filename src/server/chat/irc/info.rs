//! What the server tells of itself: ADMIN, HELP, INFO, LINKS, LUSERS, MOTD, STATS, TIME and VERSION (Modern IRC, "Server Queries and Commands").

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::client::Client;
use super::registration::version;
use crate::proto::irc::cap;
use crate::proto::irc::command::{self, Command};
use crate::proto::irc::message::Message;
use crate::proto::irc::mode;
use crate::proto::irc::numeric;
use crate::proto::irc::text::pack;
use crate::proto::irc::time;

/// Users beyond whom they are not counted for each one who comes.
const MANY: usize = 1000;

/// How long such a count holds.
const FRESH: Duration = Duration::from_secs(1);

/// What `LUSERS` tells and takes long to count.
#[derive(Clone, Copy)]
pub(super) struct Census {
    at: Instant,
    invisible: usize,
    operators: usize,
}

impl Client {
    pub(super) fn admin(&mut self, message: &Message<'_>) {
        if self.is_elsewhere(message.given(0)) {
            return;
        }
        let server = self.door.name().to_owned();
        let [place, organisation, mail] = self.door.settings.admin.clone();
        let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
        self.reply_text(numeric::RPL_ADMINME, &[&server], numeric::RPL_ADMINME.text);
        self.reply_text(numeric::RPL_ADMINLOC1, &[], &or(place, "The operator has not said where this is"));
        self.reply_text(
            numeric::RPL_ADMINLOC2,
            &[],
            &or(organisation, "The operator has not said who they are"),
        );
        self.reply_text(numeric::RPL_ADMINEMAIL, &[], &or(mail, "No address is given"));
    }

    pub(super) fn help(&mut self, message: &Message<'_>) {
        let topic = message.given(0).unwrap_or("*");
        let lines = match topic.to_ascii_uppercase().as_str() {
            "*" | "INDEX" | "COMMANDS" => {
                let names = command::ALL.iter().map(|row| row.name);
                let mut lines = vec![
                    "HELP command explains one of these, HELP CMODES and HELP UMODES the modes:".to_owned(),
                ];
                lines.extend(pack(names, 70));
                lines
            }
            "CMODES" => mode::CHANNEL.iter().map(|(letter, _, help)| format!("{letter}: {help}")).collect(),
            "UMODES" => mode::USER.iter().map(|(letter, _, help)| format!("{letter}: {help}")).collect(),
            "CAPS" => cap::ALL.iter().map(|(_, name, help)| format!("{name}: {help}")).collect(),
            name => match Command::find(name) {
                Some(row) => vec![format!("{} {}", row.name, row.syntax), row.help.to_owned()],
                None => return self.reply(numeric::ERR_HELPNOTFOUND, &[topic]),
            },
        };
        let (last, middle) = match lines.split_last() {
            Some(split) => split,
            None => return,
        };
        let (first, middle) = match middle.split_first() {
            Some((first, middle)) => (first.as_str(), middle),
            None => ("Help", middle),
        };
        self.reply_text(numeric::RPL_HELPSTART, &[topic], first);
        for line in middle {
            self.reply_text(numeric::RPL_HELPTXT, &[topic], line);
        }
        self.reply_text(numeric::RPL_HELPTXT, &[topic], last);
        self.reply(numeric::RPL_ENDOFHELP, &[topic]);
    }

    pub(super) fn info(&mut self, message: &Message<'_>) {
        if self.is_elsewhere(message.given(0)) {
            return;
        }
        let lines = [
            format!("{}: a chat server for IRC, and for JSON over WebSocket", version()),
            format!("Running since {}", time::format(self.door.since)),
        ];
        for line in &lines {
            self.reply_text(numeric::RPL_INFO, &[], line);
        }
        self.reply(numeric::RPL_ENDOFINFO, &[]);
    }

    pub(super) fn links(&mut self) {
        // How many machines serve the network, and how they are called, is nobody's business.
        self.reply(numeric::RPL_ENDOFLINKS, &["*"]);
    }

    pub(super) fn lusers_command(&mut self, message: &Message<'_>) {
        if !self.is_elsewhere(message.given(1)) {
            self.lusers();
        }
    }

    pub(super) fn lusers(&mut self) {
        let (all, channels) = (self.door.house.population(), self.door.house.channels());
        let Census { invisible, operators, .. } = self.census(all);
        let unknown = self.door.unknown.load(Ordering::Relaxed);
        let peak = self.door.peak.load(Ordering::Relaxed).max(all);
        let visible = all.saturating_sub(invisible);
        let text = format!("There are {visible} users and {invisible} invisible on 1 servers");
        self.reply_text(numeric::RPL_LUSERCLIENT, &[], &text);
        self.reply(numeric::RPL_LUSEROP, &[&operators.to_string()]);
        self.reply(numeric::RPL_LUSERUNKNOWN, &[&unknown.to_string()]);
        self.reply(numeric::RPL_LUSERCHANNELS, &[&channels.to_string()]);
        self.reply_text(numeric::RPL_LUSERME, &[], &format!("I have {all} clients and 0 servers"));
        let (all, peak) = (all.to_string(), peak.to_string());
        let text = format!("Current local users {all}, max {peak}");
        self.reply_text(numeric::RPL_LOCALUSERS, &[&all, &peak], &text);
        let text = format!("Current global users {all}, max {peak}");
        self.reply_text(numeric::RPL_GLOBALUSERS, &[&all, &peak], &text);
    }

    /// How many are invisible, and how many operators. Where many are here, each who comes does not look at all of them anew.
    fn census(&self, all: usize) -> Census {
        let mut census = self.door.census.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *census
            && all > MANY
            && known.at.elapsed() < FRESH
        {
            return known;
        }
        let users = self.door.house.users();
        let invisible = users.iter().filter(|user| user.is_invisible()).count();
        let operators = users.iter().filter(|user| user.face().operator).count();
        *census.insert(Census { at: Instant::now(), invisible, operators })
    }

    pub(super) fn motd(&mut self, message: &Message<'_>) {
        if !self.is_elsewhere(message.given(0)) {
            self.motd_lines();
        }
    }

    /// Whether another server is asked, which is told to be unknown.
    fn is_elsewhere(&mut self, server: Option<&str>) -> bool {
        let Some(server) = server.filter(|server| !self.is_us(server)) else { return false };
        self.reply(numeric::ERR_NOSUCHSERVER, &[server]);
        true
    }

    fn is_us(&self, server: &str) -> bool {
        crate::proto::chat::mask::glob(server, &[self.door.name()])
            || self.user.as_ref().is_some_and(|user| user.face().nick.as_str().eq_ignore_ascii_case(server))
    }

    pub(super) fn motd_lines(&mut self) {
        let lines = self.door.settings.motd.clone();
        if lines.is_empty() {
            return self.reply(numeric::ERR_NOMOTD, &[]);
        }
        let start = format!("- {} Message of the day - ", self.door.name());
        self.reply_text(numeric::RPL_MOTDSTART, &[], &start);
        for line in &lines {
            self.reply_text(numeric::RPL_MOTD, &[], &format!("- {line}"));
        }
        self.reply(numeric::RPL_ENDOFMOTD, &[]);
    }

    pub(super) fn stats(&mut self, message: &Message<'_>) {
        let Some(query) = message.given(0) else {
            return self.reply(numeric::ERR_NEEDMOREPARAMS, &["STATS"]);
        };
        if self.is_elsewhere(message.given(1)) {
            return;
        }
        match query {
            "u" => {
                let seconds = self.door.house.now().saturating_sub(self.door.since) / 1000;
                let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
                let text =
                    format!("Server Up {days} days {hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
                self.reply_text(numeric::RPL_STATSUPTIME, &[], &text);
            }
            "m" => {
                for (at, row) in command::ALL.iter().enumerate() {
                    let uses = self.door.uses.get(at).map_or(0, |uses| uses.load(Ordering::Relaxed));
                    if uses > 0 {
                        self.reply_bare(numeric::RPL_STATSCOMMANDS, &[row.name, &uses.to_string(), "0", "0"]);
                    }
                }
            }
            _ => {}
        }
        self.reply(numeric::RPL_ENDOFSTATS, &[query]);
    }

    pub(super) fn time(&mut self, message: &Message<'_>) {
        if self.is_elsewhere(message.given(0)) {
            return;
        }
        let server = self.door.name().to_owned();
        let now = self.door.house.now();
        self.reply_text(numeric::RPL_TIME, &[&server, &(now / 1000).to_string(), "0"], &time::format(now));
    }

    pub(super) fn version_command(&mut self, message: &Message<'_>) {
        if self.is_elsewhere(message.given(0)) {
            return;
        }
        let server = self.door.name().to_owned();
        self.reply_text(numeric::RPL_VERSION, &[&version(), &server], "IRC and IRCv3");
        self.isupport();
    }
}
