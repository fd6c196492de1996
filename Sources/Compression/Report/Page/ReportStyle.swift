/// How the page looks, in light and dark.
enum ReportStyle {
  static let css: Markup = """
    :root { color-scheme: light dark; --ink: #1c2430; --faint: #66707f; --line: #d9dee6; --paper: #fff;
      --accent: #2563c9; --good: #1a7f4b; --bad: #b3261e; --old: #9aa4b2; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --faint: #98a2b0; --line: #343c48;
      --paper: #14181e; --accent: #7aa7f5; --good: #5cc48d; --bad: #f08a80; --old: #6b7583; } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
      max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
    h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
    .verdict { font-size: 1.05rem; border-left: 4px solid var(--old); padding-left: .8rem; }
    .passed { border-color: var(--good); } .failed { border-color: var(--bad); }
    .met { color: var(--good); } .missed { color: var(--bad); } .faint { color: var(--faint); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .88rem; }
    th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line);
      vertical-align: top; overflow-wrap: anywhere; }
    td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
    pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); padding: .6rem; }
    .plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } .plots > div { flex: 1 1 420px; }
    .small > div { flex: 0 0 240px; } .small p { margin: 0; font-size: .8rem; overflow-wrap: anywhere; }
    svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: var(--faint); }
    .grid { stroke: var(--line); } .front { fill: none; stroke: var(--accent); stroke-width: 1.5; }
    circle { fill: var(--accent); } circle.original { fill: var(--ink); } circle.chosen { fill: var(--good); }
    circle.beaten { fill-opacity: .35; } .bar { fill: var(--accent); }
    .before { fill: var(--old); fill-opacity: .45; } .after { fill: none; stroke: var(--accent); }

    """
}
