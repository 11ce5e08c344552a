//! A process that is killed while it writes.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::super::super::history::Place;
use super::*;

/// Names the folder to the process that writes.
const FOLDER: &str = "WIREWORKS_TEST_STORE";

/// Times that it is killed.
const ROUNDS: u64 = 20;

fn event(seq: Seq) -> Draft {
    let change = if seq == 1 { create("#a") } else { say(&format!("message {seq}")) };
    Draft { client_id: Some(format!("c{seq}")), ..draft(1, seq, account(1), change) }
}

/// All events; each has to be the one that its number says.
fn check(store: &Sqlite) -> Seq {
    let mut head = 0;
    loop {
        let page = page(store, 1, Part::After(Place::Seq(head)), Which::All, 1000);
        for entry in &page.entries {
            head += 1;
            let (event, expected) = (&entry.event, event(head));
            assert_eq!((event.seq, event.id, &event.change), (head, expected.id, &expected.change));
        }
        if !page.more {
            return head;
        }
    }
}

#[test]
#[ignore = "the process that another test kills"]
fn writes_until_it_is_killed() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the folder"));
    let store = open(&folder);
    let mut head = check(&store);
    let mut chance = fastrand::Rng::with_seed(head);
    loop {
        let calls: Vec<_> = (0..chance.u64(1..8))
            .map(|_| {
                let count = chance.u64(1..20);
                let drafts = (head + 1..=head + count).map(event).collect();
                head += count;
                (head, store.append(drafts))
            })
            .collect();
        for (last, answer) in calls {
            assert_eq!(wait(answer).unwrap().last(), Some(&Appended::New(last)));
            println!("acknowledged {last}");
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_or_doubled() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let name = format!("{}::writes_until_it_is_killed", module_path!().split_once("::").unwrap().1);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut last = lines.by_ref().filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        // Some time after it has begun: each round after another number of acknowledgements.
        let wanted = usize::try_from(1 + round * 7 % 30).unwrap();
        acknowledged = last.by_ref().take(wanted).last().expect("it has acknowledged something");
        child.kill().unwrap();
        // What it had said before it died counts, too.
        acknowledged = last.last().unwrap_or(acknowledged);
        child.wait().unwrap();
        let store = open(folder.path());
        let head = check(&store);
        assert!(head >= acknowledged, "{acknowledged} was acknowledged, {head} is there");
        let again = (acknowledged.max(6) - 5..=acknowledged).map(event).collect::<Vec<_>>();
        let known: Vec<_> = again
            .iter()
            .zip(acknowledged.max(6) - 5..)
            .map(|(draft, seq)| Appended::Known(seq, draft.id))
            .collect();
        assert_eq!(wait(store.append(again)).unwrap(), known);
        assert_eq!(check(&store), head);
    }
    assert!(acknowledged > ROUNDS);
}
