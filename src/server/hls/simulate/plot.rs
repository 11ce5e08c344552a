//! Pictures of a simulation: of one trace, what was watched over time; of several, how the figures are distributed.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Figures, Session, Work};
use crate::proto::hls::abr::Algorithm;
use crate::proto::hls::simulate::Trace;

/// Pixels across.
const WIDTH: u32 = 1000;

/// Pixels of each part of a picture.
const PART: u32 = 260;

/// Colours that stay apart for those who do not tell red from green (Okabe and Ito).
const COLOURS: [RGBColor; 9] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(120, 120, 120),
    RGBColor(60, 60, 60),
    RGBColor(170, 130, 40),
];

/// What the network carried.
const NETWORK: RGBColor = RGBColor(200, 205, 210);

/// A picture could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the plot: {0}")]
pub struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

/// Part of a picture.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The picture, as SVG.
///
/// # Errors
/// It cannot be drawn.
pub fn plot(work: &Work, sessions: &[Session]) -> Result<String, PlotError> {
    let mut text = String::new();
    let parts = if work.traces.len() == 1 { work.algorithms.len() as u32 + 1 } else { 3 };
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, parts * PART)).into_drawing_area();
        root.fill(&WHITE)?;
        let areas = root.split_evenly((parts as usize, 1));
        match &work.traces[..] {
            [(_, trace)] => over_time(work, trace, sessions, &areas)?,
            _ => distributions(work, sessions, &areas)?,
        }
        root.present()?;
    }
    Ok(text)
}

fn colour(work: &Work, algorithm: Algorithm) -> RGBColor {
    let place = work.algorithms.iter().position(|other| *other == algorithm).unwrap_or_default();
    COLOURS[place % COLOURS.len()]
}

/// For each algorithm the rates that were loaded, on what the network carried; and the levels of all buffers.
fn over_time(work: &Work, trace: &Trace, sessions: &[Session], areas: &[Area<'_>]) -> Result<(), PlotError> {
    let longest = sessions.iter().map(|session| session.outcome.time).fold(1.0, f64::max) / 1000.0;
    let ladder = work.manifest.ladder();
    let most = ladder.rate(ladder.top()) / 1000.0 * 1.6;
    for (session, area) in sessions.iter().zip(areas) {
        let mut chart = ChartBuilder::on(area)
            .caption(caption(work, session), ("sans-serif", 17))
            .margin(12)
            .x_label_area_size(22)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..longest, 0.0..most)?;
        chart.configure_mesh().light_line_style(TRANSPARENT).y_desc("Mb/s").draw()?;
        let network = carried(trace, longest).into_iter().map(|(at, rate)| (at, rate.min(most)));
        chart.draw_series(AreaSeries::new(network, 0.0, NETWORK.mix(0.7)))?;
        let steps = session.outcome.steps.iter();
        let rates = steps.flat_map(|step| {
            let rate = ladder.rate(step.quality) / 1000.0;
            [(step.from / 1000.0, rate), (step.at / 1000.0, rate)]
        });
        let line = colour(work, session.algorithm).stroke_width(2);
        chart.draw_series(LineSeries::new(rates, line))?;
    }
    let Some(area) = areas.last() else { return Ok(()) };
    let most = work.settings.buffer / 1000.0;
    let mut chart = ChartBuilder::on(area)
        .caption("buffer", ("sans-serif", 17))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..longest, 0.0..most)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).y_desc("s").x_desc("s").draw()?;
    for session in sessions {
        let line = colour(work, session.algorithm);
        let levels = session.outcome.steps.iter().map(|step| (step.at / 1000.0, step.level / 1000.0));
        chart
            .draw_series(LineSeries::new(levels, line.stroke_width(1)))?
            .label(session.algorithm.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], line.stroke_width(3)));
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

fn caption(work: &Work, session: &Session) -> String {
    let figures = work.figures(session);
    format!(
        "{}: {:.2} Mb/s, {} switches, {:.1} s stalled, score {:.3}",
        session.algorithm,
        figures.bitrate_kbps / 1000.0,
        session.outcome.switches,
        session.outcome.stalled / 1000.0,
        figures.score
    )
}

/// What the network carried, in seconds and Mb/s, as steps.
fn carried(trace: &Trace, longest: f64) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut at = 0.0;
    for period in trace.periods().iter().cycle() {
        let rate = period.bandwidth / 1000.0;
        points.extend([(at, rate), (at + period.time / 1000.0, rate)]);
        at += period.time / 1000.0;
        if at >= longest {
            return points;
        }
    }
    points
}

/// One of the figures.
type Figure = fn(&Figures) -> f64;

/// How three figures are distributed over the traces: which share of them has less.
fn distributions(work: &Work, sessions: &[Session], areas: &[Area<'_>]) -> Result<(), PlotError> {
    let figures: [(&str, Figure); 3] = [
        ("score", |figures| figures.score),
        ("average rate, Mb/s", |figures| figures.bitrate_kbps / 1000.0),
        ("stalled, %", |figures| figures.rebuffer_ratio * 100.0),
    ];
    for ((name, figure), area) in figures.into_iter().zip(areas) {
        let all: Vec<_> =
            sessions.iter().map(|session| (session.algorithm, figure(&work.figures(session)))).collect();
        distribution(work, name, &all, area)?;
    }
    Ok(())
}

fn distribution(work: &Work, name: &str, all: &[(Algorithm, f64)], area: &Area<'_>) -> Result<(), PlotError> {
    let least = all.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let most = all.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    let room = ((most - least) * 0.02).max(1e-3);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(least - room..most + room, 0.0..1.0)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(name).y_desc("share of traces").draw()?;
    for algorithm in &work.algorithms {
        let mut values: Vec<f64> =
            all.iter().filter(|(of, _)| of == algorithm).map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let count = values.len().max(1) as f64;
        let steps = values
            .iter()
            .enumerate()
            .flat_map(|(at, value)| [(*value, at as f64 / count), (*value, (at + 1) as f64 / count)]);
        let line = colour(work, *algorithm);
        chart
            .draw_series(LineSeries::new(steps, line.stroke_width(2)))?
            .label(algorithm.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], line.stroke_width(3)));
    }
    // Good scores and rates leave the upper left free, and few stalls the lower right.
    let free = if least > 0.0 { SeriesLabelPosition::UpperLeft } else { SeriesLabelPosition::LowerRight };
    legend(&mut chart, free)
}

/// A chart of numbers.
type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn legend<'b: 'a, 'a>(chart: &mut Chart<'a, 'b>, position: SeriesLabelPosition) -> Result<(), PlotError> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(220, 220, 220))
        .label_font(("sans-serif", 14))
        .draw()?;
    Ok(())
}
