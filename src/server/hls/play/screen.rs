//! How it goes, on a whole terminal: the buffer, the rates that were loaded beside what the network carried, and what happened.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyModifiers, poll, read};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};
use ratatui::{DefaultTerminal, Frame};

use super::{View, words};
use crate::proto::hls::abr::{Kbps, Ms};
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::playback::Phase;
use crate::proto::hls::play::player::{Player, State};

/// How far back the charts go.
const SPAN: Ms = 120_000.0;

/// Points of each line of a chart: five a second.
const POINTS: usize = 600;

/// Events that are kept to be shown.
const EVENTS: usize = 100;

/// A line of a chart: seconds, and what was then.
#[derive(Debug, Default)]
struct Trail(VecDeque<(f64, f64)>);

impl Trail {
    fn push(&mut self, at: Ms, value: f64) {
        if self.0.len() == POINTS {
            self.0.pop_front();
        }
        self.0.push_back((at / 1000.0, value));
    }

    fn points(&mut self) -> &[(f64, f64)] {
        self.0.make_contiguous()
    }
}

/// What is drawn.
#[derive(Debug, Default)]
pub(super) struct Picture {
    title: String,
    buffer: Ms,
    level: Trail,
    /// The rate that is shown.
    shown: Trail,
    /// The rate at which segments came.
    network: Trail,
    events: VecDeque<String>,
}

/// The terminal, which is as it was before when this is dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    picture: Picture,
    left: bool,
}

impl Screen {
    /// Takes the terminal. `title` says what is played, and the buffer holds so much at most.
    ///
    /// # Errors
    /// There is none.
    pub fn take(title: String, buffer: Ms) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, picture: Picture::new(title, buffer), left: false })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody left who could be told.
        let _ = ratatui::try_restore();
    }
}

impl View for Screen {
    fn happened(&mut self, at: Ms, event: &Event, _: &Player) -> io::Result<()> {
        self.picture.happened(at, event);
        Ok(())
    }

    fn passed(&mut self, at: Ms, player: &Player) -> io::Result<()> {
        while poll(Duration::ZERO)? {
            if let Input::Key(key) = read()? {
                let control = key.modifiers.contains(KeyModifiers::CONTROL);
                self.left |= matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                    || key.code == KeyCode::Char('c') && control;
            }
        }
        let state = player.state(at);
        let names: Vec<(String, Kbps)> =
            player.levels().iter().map(|level| (level.name.clone(), level.rate)).collect();
        self.picture.passed(at, &state, &names);
        self.terminal.draw(|frame| self.picture.draw(frame, at, &state, &names))?;
        Ok(())
    }

    fn is_left(&self) -> bool {
        self.left
    }
}

impl Picture {
    pub(super) fn new(title: String, buffer: Ms) -> Self {
        Self { title, buffer, ..Self::default() }
    }

    pub(super) fn happened(&mut self, at: Ms, event: &Event) {
        if let Event::Loaded { lane: LaneId::Main, throughput, .. } = event {
            self.network.push(at, throughput / 1000.0);
            return;
        }
        if let Event::Opened { latency: Some(latency), .. } = event {
            self.buffer = self.buffer.min(*latency);
        }
        if matches!(event, Event::Loaded { .. }) {
            return;
        }
        if self.events.len() == EVENTS {
            self.events.pop_back();
        }
        self.events.push_front(format!("{:>8.2}  {}", at / 1000.0, words::event(event)));
    }

    pub(super) fn passed(&mut self, at: Ms, state: &State, levels: &[(String, Kbps)]) {
        self.level.push(at, state.level / 1000.0);
        if let Some((_, rate)) = state.shown.and_then(|shown| levels.get(shown)) {
            self.shown.push(at, rate / 1000.0);
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, at: Ms, state: &State, levels: &[(String, Kbps)]) {
        let charts = Constraint::Fill(3);
        let [head, gauge, rates, level, events] = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(1),
            charts,
            Constraint::Fill(2),
            Constraint::Fill(2),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.head(state, levels)), head);
        let full = (state.level / self.buffer.max(1.0)).clamp(0.0, 1.0);
        let color = match state.phase {
            Phase::Stalled => Color::Red,
            _ if full < 0.2 => Color::Yellow,
            _ => Color::Green,
        };
        let label = format!("buffer {}", words::seconds(state.level));
        frame.render_widget(Gauge::default().ratio(full).gauge_style(color).label(label), gauge);
        let to = at / 1000.0;
        let from = (to - SPAN / 1000.0).max(0.0);
        let top = 1.5 * levels.last().map_or(1.0, |(_, rate)| rate / 1000.0);
        // What is off the chart is at its edge.
        let network: Vec<(f64, f64)> =
            self.network.points().iter().map(|(at, rate)| (*at, rate.min(top))).collect();
        let lines = [
            (Color::DarkGray, Marker::Dot, GraphType::Scatter, &network[..]),
            (Color::Cyan, Marker::Braille, GraphType::Line, self.shown.points()),
        ];
        let title = vec![" Mb/s ".into(), "─ shown".cyan(), "  ".into(), "• as it came ".dark_gray()];
        chart(frame, rates, title, [from, to], top, &lines);
        let lines = [(Color::Green, Marker::Braille, GraphType::Line, self.level.points())];
        chart(frame, level, vec![" buffer, s ".into()], [from, to], 1.25 * self.buffer / 1000.0, &lines);
        let rows = usize::from(events.height.saturating_sub(1));
        let lines: Vec<Line<'_>> =
            self.events.iter().take(rows).map(|line| Line::raw(line.as_str())).collect();
        let block = Block::new().borders(ratatui::widgets::Borders::TOP).title(" events ").title_bottom("");
        frame.render_widget(Paragraph::new(lines).block(block), events);
    }

    fn head(&self, state: &State, levels: &[(String, Kbps)]) -> Vec<Line<'static>> {
        let phase = match state.phase {
            Phase::Starting => "starts".yellow(),
            Phase::Playing => "plays".green(),
            Phase::Stalled => "stalled".red(),
            Phase::Ended => "ended".gray(),
        };
        let place = match (state.duration, state.latency) {
            (Some(duration), _) => {
                format!("{} of {}", words::seconds(state.position), words::seconds(duration))
            }
            (None, Some(latency)) => format!("live, {} behind its end", words::seconds(latency)),
            (None, None) => String::new(),
        };
        let pace = match state.rate {
            rate if (rate - 1.0).abs() < 0.005 => String::new(),
            rate => format!(", {rate:.2} times as fast"),
        };
        let network =
            state.throughput.map_or_else(String::new, |it| format!("  network {}", words::rate(it)));
        let first = Line::from(vec![Span::raw(self.title.clone()).bold()]);
        let mut second = vec![phase, Span::raw(format!("  {place}{pace}{network}  "))];
        for (quality, (name, _)) in levels.iter().enumerate() {
            let style = match (state.shown == Some(quality), state.loading == quality) {
                (true, _) => Style::new().cyan().reversed(),
                (false, true) => Style::new().cyan(),
                (false, false) => Style::new().dark_gray(),
            };
            second.push(Span::styled(format!(" {name} "), style));
        }
        vec![first, Line::from(second)]
    }
}

/// A line of a chart: its looks, and its points.
type Drawn<'a> = (Color, Marker, GraphType, &'a [(f64, f64)]);

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    title: Vec<Span<'static>>,
    [from, to]: [f64; 2],
    top: f64,
    lines: &[Drawn<'_>],
) {
    let sets = lines.iter().map(|(color, marker, kind, points)| {
        Dataset::default().data(points).marker(*marker).graph_type(*kind).style(*color)
    });
    let seconds = |at: f64| format!("{at:.0} s");
    let x =
        Axis::default().bounds([from, to.max(from + 1.0)]).labels([seconds(from), seconds(to)]).dark_gray();
    let y = Axis::default()
        .bounds([0.0, top])
        .labels([0.0, top / 2.0, top].map(|at| format!("{at:.1}")))
        .dark_gray();
    let block = Block::new().title(Line::from(title)).borders(ratatui::widgets::Borders::TOP);
    frame.render_widget(Chart::new(sets.collect()).block(block).x_axis(x).y_axis(y), area);
}
