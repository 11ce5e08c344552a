//! How much each account has uploaded on this day, and how many uploads it has under way.
//!
//! What has arrived is counted as it arrives, and taken back if the upload fails. What stays is noted in a file for the day, a line for each upload, so
//! that a restart forgets nothing; days are those of UTC. A day's file is removed when the next one begins.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::proto::chat::id::{AccountId, Millis};

/// Milliseconds of a day.
const DAY: Millis = 24 * 60 * 60 * 1000;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Bytes a day.
    pub(super) bytes: u64,
    /// Files a day.
    pub(super) files: u64,
    /// Uploads at the same time.
    pub(super) at_once: usize,
}

/// Why an upload may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OverQuota {
    #[error("you have uploaded {0} bytes today, which is as much as you may")]
    Bytes(u64),
    #[error("you have uploaded {0} files today, which is as many as you may")]
    Files(u64),
    #[error("you have {0} uploads under way: wait for one to end")]
    AtOnce(usize),
}

/// The books of a day.
#[derive(Debug)]
pub(super) struct Quota {
    folder: PathBuf,
    allowance: Allowance,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    day: u64,
    /// Where it is noted; `None` before the first upload of a day, and when it cannot be opened.
    file: Option<File>,
    accounts: HashMap<AccountId, Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    bytes: u64,
    files: u64,
    under_way: usize,
}

/// An upload that is counted. Dropped before [`done`](Self::done), it was none.
#[derive(Debug)]
pub(super) struct Counted {
    quota: Arc<Quota>,
    account: AccountId,
    day: u64,
    bytes: u64,
    done: bool,
}

impl Quota {
    /// What the files in `folder` say.
    pub(super) fn open(folder: &Path, allowance: Allowance, now: Millis) -> io::Result<Self> {
        let quota = Self { folder: folder.to_owned(), allowance, books: Mutex::default() };
        let day = now / DAY;
        let mut books = Books { day, ..Books::default() };
        match File::open(quota.path(day)) {
            Ok(mut file) => {
                let mut text = Vec::new();
                file.read_to_end(&mut text)?;
                // A crash may have cut the last line.
                for (account, bytes) in String::from_utf8_lossy(&text).lines().filter_map(parse) {
                    let used = books.accounts.entry(account).or_default();
                    used.bytes = used.bytes.saturating_add(bytes);
                    used.files += 1;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        *quota.lock() = books;
        Ok(quota)
    }

    /// Begins an upload of this account.
    pub(super) fn begin(self: &Arc<Self>, account: AccountId, now: Millis) -> Result<Counted, OverQuota> {
        let mut books = self.lock();
        self.turn(&mut books, now);
        let used = books.accounts.entry(account).or_default();
        let allowance = &self.allowance;
        if used.files >= allowance.files {
            return Err(OverQuota::Files(used.files));
        }
        if used.bytes >= allowance.bytes {
            return Err(OverQuota::Bytes(used.bytes));
        }
        if used.under_way >= allowance.at_once {
            return Err(OverQuota::AtOnce(used.under_way));
        }
        used.under_way += 1;
        used.files += 1;
        Ok(Counted { quota: Arc::clone(self), account, day: books.day, bytes: 0, done: false })
    }

    /// Seconds until the next day.
    pub(super) fn until_tomorrow(now: Millis) -> u64 {
        (DAY - now % DAY).div_ceil(1000)
    }

    /// Begins another day, if it is one. Uploads that go on are counted for the one on which they began.
    fn turn(&self, books: &mut Books, now: Millis) {
        let today = now / DAY;
        if books.day >= today {
            return;
        }
        let yesterday = std::mem::replace(books, Books { day: today, ..Books::default() });
        books.accounts = yesterday
            .accounts
            .into_iter()
            .filter(|(_, used)| used.under_way > 0)
            .map(|(account, used)| (account, Used { under_way: used.under_way, ..Used::default() }))
            .collect();
        if let Err(error) = fs::remove_file(self.path(yesterday.day))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "cannot remove the list of yesterday's uploads");
        }
    }

    fn path(&self, day: u64) -> PathBuf {
        self.folder.join(format!("uploads-{day}"))
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    /// Counts bytes that have arrived.
    pub(super) fn add(&mut self, bytes: u64) -> Result<(), OverQuota> {
        let mut books = self.quota.lock();
        if books.day == self.day {
            let used = books.accounts.entry(self.account).or_default();
            let sum = used.bytes.saturating_add(bytes);
            if sum > self.quota.allowance.bytes {
                return Err(OverQuota::Bytes(used.bytes - self.bytes));
            }
            used.bytes = sum;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// The upload has come to a good end.
    pub(super) fn done(mut self) {
        self.done = true;
        let quota = Arc::clone(&self.quota);
        let mut books = quota.lock();
        if books.day != self.day {
            return;
        }
        if books.file.is_none() {
            let opened = OpenOptions::new().append(true).create(true).open(quota.path(self.day));
            // A line that a crash has cut must not run into the next one.
            books.file = opened.and_then(|mut file| file.write_all(b"\n").map(|()| file)).ok();
        }
        let mut line = String::new();
        let _ = writeln!(line, "{} {}", self.account.0, self.bytes);
        let written = books.file.as_mut().map(|file| file.write_all(line.as_bytes()));
        if !matches!(written, Some(Ok(()))) {
            // It is counted all the same until the next start.
            tracing::warn!("cannot note an upload in the list of the day");
            books.file = None;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut books = self.quota.lock();
        let same_day = books.day == self.day;
        let Some(used) = books.accounts.get_mut(&self.account) else { return };
        used.under_way = used.under_way.saturating_sub(1);
        if !self.done && same_day {
            used.bytes = used.bytes.saturating_sub(self.bytes);
            used.files = used.files.saturating_sub(1);
        }
    }
}

/// `ACCOUNT BYTES`.
fn parse(line: &str) -> Option<(AccountId, u64)> {
    let (account, bytes) = line.split_once(' ')?;
    Some((AccountId(account.parse().ok()?), bytes.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { bytes: 100, files: 3, at_once: 2 };
    const ME: AccountId = AccountId(1);

    fn open(folder: &Path, now: Millis) -> Arc<Quota> {
        Arc::new(Quota::open(folder, ALLOWANCE, now).unwrap())
    }

    #[test]
    fn bytes_and_files_are_counted_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let quota = open(folder.path(), 0);
        for bytes in [60, 30] {
            let mut upload = quota.begin(ME, 0).unwrap();
            upload.add(bytes).unwrap();
            upload.done();
        }
        for quota in [&quota, &open(folder.path(), DAY - 1)] {
            let mut third = quota.begin(ME, DAY - 1).unwrap();
            assert_eq!(third.add(11), Err(OverQuota::Bytes(90)));
            third.add(10).unwrap();
            assert_eq!(third.add(1), Err(OverQuota::Bytes(90)), "its own bytes are not among them");
        }
        let mut other = quota.begin(AccountId(2), 0).unwrap();
        other.add(100).unwrap();
    }

    #[test]
    fn a_failed_upload_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let quota = open(folder.path(), 0);
        for _ in 0..5 {
            let mut upload = quota.begin(ME, 0).unwrap();
            upload.add(100).unwrap();
        }
        let mut upload = quota.begin(ME, 0).unwrap();
        upload.add(100).unwrap();
        upload.done();
        assert_eq!(quota.begin(ME, 0).unwrap_err(), OverQuota::Bytes(100));
    }

    #[test]
    fn files_and_uploads_at_once_have_limits() {
        let folder = tempfile::tempdir().unwrap();
        let quota = open(folder.path(), 0);
        let (first, _second) = (quota.begin(ME, 0).unwrap(), quota.begin(ME, 0).unwrap());
        assert_eq!(quota.begin(ME, 0).unwrap_err(), OverQuota::AtOnce(2));
        first.done();
        let third = quota.begin(ME, 0).unwrap();
        assert_eq!(quota.begin(ME, 0).unwrap_err(), OverQuota::Files(3));
        drop(third);
        quota.begin(ME, 0).unwrap().done();
    }

    #[test]
    fn a_new_day_begins_with_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let quota = open(folder.path(), 0);
        let mut over_midnight = quota.begin(ME, 0).unwrap();
        for _ in 0..2 {
            quota.begin(ME, 0).unwrap().done();
        }
        assert_eq!(quota.begin(ME, 0).unwrap_err(), OverQuota::Files(3));
        let mut today = quota.begin(ME, DAY).unwrap();
        today.add(100).unwrap();
        assert_eq!(quota.begin(ME, DAY).unwrap_err(), OverQuota::Bytes(100), "and two are under way");
        over_midnight.add(50).unwrap();
        over_midnight.done();
        today.done();
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["uploads-1"]);
        assert_eq!(Quota::until_tomorrow(DAY - 1), 1);
        assert_eq!(Quota::until_tomorrow(0), 86_400);
    }

    #[test]
    fn a_torn_line_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("uploads-0"), b"1 40\n1 5").unwrap();
        open(folder.path(), 0).begin(ME, 0).unwrap().done();
        let text = fs::read_to_string(folder.path().join("uploads-0")).unwrap();
        assert_eq!(text, "1 40\n1 5\n1 0\n");
        let quota = open(folder.path(), 0);
        assert_eq!(quota.begin(ME, 0).unwrap_err(), OverQuota::Files(3));
    }
}
