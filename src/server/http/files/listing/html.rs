//! A listing for people: one page that needs nothing else, light or dark as the reader has it, on a screen or a phone.

use std::fmt::Write;

use super::json::href;
use super::order::{By, Order};
use super::read::{Item, Listing, MAX_LISTED};
use super::text::{self, escape};

const STYLE: &str = include_str!("style.css");

/// Drawings that rows refer to.
const SHAPES: &str = concat!(
    r#"<svg width="0" height="0" aria-hidden="true"><defs>"#,
    r#"<symbol id="d" viewBox="0 0 20 20"><path d="M2 5.5A1.5 1.5 0 0 1 3.5 4h4l2 2h7A1.5 1.5 0 0 1 18 7.5v7a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 2 14.5z"/></symbol>"#,
    r#"<symbol id="f" viewBox="0 0 20 20"><path d="M5 2.5h6.5L16 7v9.5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1zM11.5 2.5V7H16"/></symbol>"#,
    r#"<symbol id="u" viewBox="0 0 20 20"><path d="M10 16V5M5.5 9.5 10 5l4.5 4.5"/></symbol>"#,
    "</defs></svg>"
);

/// The listing as a page.
pub(super) fn page(listing: &Listing, order: Order) -> String {
    let mut page = String::with_capacity(8192 + 400 * listing.items.len());
    head(&mut page, &listing.path);
    page.push_str("<header>\n");
    trail(&mut page, &listing.path);
    summary(&mut page, listing);
    page.push_str("</header>\n<table>\n<thead><tr>");
    for by in By::ALL {
        column(&mut page, by, order);
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    if !listing.path.is_empty() {
        parent(&mut page, order);
    }
    for item in &listing.items {
        row(&mut page, item);
    }
    page.push_str("</tbody>\n</table>\n");
    if listing.items.is_empty() {
        page.push_str("<p class=\"note\">This directory is empty.</p>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, path: &[u8]) {
    let title = match &*text::name(path) {
        "" => "/".to_owned(),
        path => format!("/{path}/"),
    };
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Index of {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{SHAPES}\n<main>\n",
        escape(&title)
    );
}

/// The path, each part of it a link. Relative links stay right behind a proxy that adds or takes a prefix.
fn trail(page: &mut String, path: &[u8]) {
    let parts = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    let depth = parts.clone().count();
    let up = |levels: usize| match levels {
        0 => "./".to_owned(),
        levels => "../".repeat(levels),
    };
    let _ = write!(page, "<h1><nav aria-label=\"Path\"><a href=\"{}\">Home</a>", up(depth));
    for (above, name) in (0..depth).rev().zip(parts) {
        let current = if above == 0 { " aria-current=\"page\"" } else { "" };
        let _ = write!(
            page,
            "<i>/</i><a href=\"{}\"{current}><bdi>{}</bdi></a>",
            up(above),
            escape(&text::name(name))
        );
    }
    page.push_str("</nav></h1>\n");
}

/// How much the directory holds.
fn summary(page: &mut String, listing: &Listing) {
    let files = listing.items.iter().filter(|item| !item.directory);
    let count = files.clone().count();
    let bytes = files.fold(0_u64, |sum, item| sum.saturating_add(item.size));
    let _ = writeln!(
        page,
        "<p>{}, {}, <span title=\"{} bytes\">{}</span></p>",
        counted(listing.items.len() - count, "directory", "directories"),
        counted(count, "file", "files"),
        text::grouped(bytes),
        text::size(bytes)
    );
    if listing.cut {
        let _ = writeln!(
            page,
            "<p class=\"note\">There is more here than can be shown: these are {} of the entries, \
             those that the file system names first.</p>",
            text::grouped(MAX_LISTED as u64)
        );
    }
}

/// The way up, in the order in which this is sorted.
fn parent(page: &mut String, order: Order) {
    let query = if order == Order::default() { String::new() } else { order.query() };
    let _ = writeln!(
        page,
        "<tr class=\"up\"><td class=\"name\"><a href=\"../{}\"><svg><use href=\"#u\"/></svg>\
         <span>Parent directory</span></a></td><td class=\"size\"></td><td class=\"time\"></td></tr>",
        escape(&query)
    );
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", text::grouped(number as u64), if number == 1 { one } else { many })
}

/// The head of a column: a link that sorts by it, or turns the order round.
fn column(page: &mut String, by: By, order: Order) {
    let label = match by {
        By::Name => "Name",
        By::Size => "Size",
        By::Time => "Modified",
    };
    let sorted = order.by == by;
    let (state, arrow) = match (sorted, order.descending) {
        (false, _) => ("", ""),
        (true, false) => (" aria-sort=\"ascending\"", "<b>\u{2191}</b>"),
        (true, true) => (" aria-sort=\"descending\"", "<b>\u{2193}</b>"),
    };
    let next = Order { by, descending: sorted && !order.descending };
    let _ = write!(
        page,
        "<th class=\"{}\"{state}><a href=\"{}\">{label}{arrow}</a></th>",
        by.name(),
        escape(&next.query())
    );
}

fn row(page: &mut String, item: &Item) {
    let (shape, slash) = if item.directory { ("d", "/") } else { ("f", "") };
    let link = href(item);
    let _ = write!(
        page,
        "<tr><td class=\"name\"><a class=\"{shape}\" href=\"{}\"><svg><use href=\"#{shape}\"/></svg>\
         <span><bdi>{}</bdi>{slash}</span></a></td>",
        escape(&link),
        escape(&text::name(&item.name))
    );
    if item.directory {
        page.push_str("<td class=\"size\"></td>");
    } else {
        let _ = write!(
            page,
            "<td class=\"size\" title=\"{} bytes\">{}</td>",
            text::grouped(item.size),
            text::size(item.size)
        );
    }
    let time = text::timestamp(item.modified);
    let (day, clock) = (&time[..10], &time[11..16]);
    let _ = writeln!(
        page,
        "<td class=\"time\"><time datetime=\"{time}\" title=\"{time}\">{day}<span> {clock}</span></time></td></tr>"
    );
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn item(name: &str, directory: bool, size: u64) -> Item {
        Item { name: name.into(), directory, size, modified: UNIX_EPOCH + Duration::from_secs(784_111_777) }
    }

    fn shown(path: &str, items: Vec<Item>, query: &str) -> String {
        let listing = Listing { path: path.into(), items, cut: false };
        page(&listing, Order::of(Some(query)))
    }

    #[test]
    fn names_are_text_and_links_are_links() {
        let page = shown("", vec![item("<script>&\"'.txt", false, 1536), item("javascript:x", true, 0)], "");
        assert!(!page.contains("<script>"));
        assert!(page.contains("href=\"%3Cscript%3E&amp;%22%27.txt\""));
        assert!(page.contains("<bdi>&lt;script&gt;&amp;&quot;&#39;.txt</bdi>"));
        assert!(page.contains("href=\"javascript%3Ax/\""), "no scheme in a relative link");
        assert!(page.contains("title=\"1,536 bytes\">1.5 KiB<"));
        assert!(page.contains("datetime=\"1994-11-06T08:49:37Z\""));
        assert!(page.contains("1 directory, 1 file"));
    }

    #[test]
    fn a_path_is_a_trail_of_relative_links() {
        let root = shown("", vec![], "");
        assert!(root.contains("<a href=\"./\">Home</a></nav>"));
        assert!(!root.contains("Parent directory"));
        assert!(root.contains("This directory is empty."));
        let deep = shown("a/<b>/c", vec![item("x", false, 0)], "");
        assert!(deep.contains("<a href=\"../../../\">Home</a>"));
        assert!(deep.contains("<a href=\"../../\"><bdi>a</bdi></a>"));
        assert!(deep.contains("<a href=\"../\"><bdi>&lt;b&gt;</bdi></a>"));
        assert!(deep.contains("<a href=\"./\" aria-current=\"page\"><bdi>c</bdi></a>"));
        assert!(deep.contains("<title>Index of /a/&lt;b&gt;/c/</title>"));
        assert!(deep.contains("<a href=\"../\"><svg>"));
        assert!(!deep.contains("This directory is empty."));
    }

    #[test]
    fn columns_sort_and_turn_round() {
        let plain = shown("d", vec![], "");
        assert!(
            plain.contains(
                "<th class=\"name\" aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">"
            )
        );
        assert!(plain.contains("<th class=\"size\"><a href=\"?sort=size&amp;order=asc\">"));
        let by_size = shown("d", vec![], "sort=size&order=desc");
        assert!(
            by_size.contains(
                "<th class=\"size\" aria-sort=\"descending\"><a href=\"?sort=size&amp;order=asc\">"
            )
        );
        assert!(by_size.contains("<th class=\"name\"><a href=\"?sort=name&amp;order=asc\">"));
        assert!(by_size.contains("href=\"../?sort=size&amp;order=desc\""), "the order goes along");
    }

    #[test]
    fn what_is_left_out_is_said() {
        let listing = Listing { cut: true, ..Listing::default() };
        assert!(page(&listing, Order::default()).contains("these are 10,000 of the entries"));
    }
}
