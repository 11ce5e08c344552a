//! A picture of crowds: which share of the leechers was done when.

use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::flash::Finish;
use crate::support::Result;

/// Pixels across, and of each case down.
const SIZE: (u32, u32) = (900, 320);

/// Colours that stay apart for those who do not tell red from green (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// Draws the curves of all turns to a file: a part for each case, a curve for each client, with the leechers of all its turns.
pub(crate) fn draw(path: &Path, turns: &[Finish]) -> Result<()> {
    let cases = distinct(turns.iter().map(|turn| turn.case));
    if cases.is_empty() {
        return Err("there is no crowd to draw: choose a case whose name begins with flash".into());
    }
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (SIZE.0, SIZE.1 * cases.len() as u32));
        let root = root.into_drawing_area();
        root.fill(&WHITE)?;
        for (case, area) in cases.iter().zip(root.split_evenly((cases.len(), 1))) {
            let of_case: Vec<&Finish> = turns.iter().filter(|turn| turn.case == *case).collect();
            draw_case(case, &of_case, &area)?;
        }
        root.present()?;
    }
    Ok(fs::write(path, text)?)
}

fn draw_case(
    case: &str,
    turns: &[&Finish],
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<()> {
    let last = turns.iter().flat_map(|turn| &turn.times).copied().fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(case, ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..last * 1.05, 0.0..100.0)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).x_desc("time / bound").y_desc("% of leechers done").draw()?;
    chart.draw_series([PathElement::new([(1.0, 0.0), (1.0, 100.0)], BLACK.mix(0.4))])?;
    let mut clients = distinct(turns.iter().map(|turn| &turn.client[..]));
    // Turns come in an order by chance.
    clients.sort_unstable();
    for (place, client) in clients.into_iter().enumerate() {
        let of_client = turns.iter().filter(|turn| turn.client == client);
        let mut times: Vec<f64> = of_client.flat_map(|turn| &turn.times).copied().collect();
        times.sort_by(f64::total_cmp);
        let share = |done: usize| done as f64 / times.len() as f64 * 100.0;
        let steps =
            times.iter().enumerate().flat_map(|(at, time)| [(*time, share(at)), (*time, share(at + 1))]);
        let line = COLOURS[place % COLOURS.len()];
        let points = std::iter::once((0.0, 0.0)).chain(steps);
        chart
            .draw_series(LineSeries::new(points, line.stroke_width(2)))?
            .label(client)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], line.stroke_width(3)));
    }
    let mut legend = chart.configure_series_labels();
    legend
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3));
    Ok(legend.draw()?)
}

/// What there is, each once, in the order in which it comes.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for name in names {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}
