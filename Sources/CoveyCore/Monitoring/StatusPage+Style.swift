extension StatusPage {
    /// The page's style sheet: one column on a phone, dark where the reader's device is.
    public static let css = """
        :root { --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --faint: #59636e; --line: #d5dae0;
          --ok: #1a7f37; --degraded: #9a6700; --down: #c5221f; --bar: #3b6fb5; }
        @media (prefers-color-scheme: dark) {
          :root { --ground: #12161b; --card: #1b2027; --text: #e4e8ec; --faint: #9aa4af; --line: #333b44;
            --ok: #4ac26b; --degraded: #d9a514; --down: #ff7b72; --bar: #6aa0e8; }
        }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--ground); color: var(--text);
          font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
        header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: space-between; }
        h1 { font-size: 1.4rem; margin: 0; }
        h1 small { font-weight: normal; color: var(--faint); }
        h2 { font-size: 1.1rem; margin: 1.6rem 0 .6rem; }
        h3 { font-size: 1.05rem; margin: 0 0 .5rem; display: flex; justify-content: space-between; }
        h4 { font-size: .9rem; margin: .9rem 0 .3rem; color: var(--faint); font-weight: normal; }
        .state { margin: 0; padding: .2rem .8rem; border: 2px solid; border-radius: 1rem; font-weight: bold; }
        .ok .state, .up .badge { color: var(--ok); }
        .degraded .state, li.degraded::marker { color: var(--degraded); }
        .down .state, .down .badge, li.down { color: var(--down); }
        .problems { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--degraded);
          border-radius: .4rem; padding: .7rem 1rem .7rem 2rem; }
        .cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: .4rem; padding: .9rem; }
        .reason { margin: 0 0 .5rem; color: var(--down); }
        dl { margin: 0; display: grid; gap: 0 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); }
        dl div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--line);
          padding: .2rem 0; }
        dt { color: var(--faint); }
        dd { margin: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
        .bars { border-collapse: collapse; width: 100%; max-width: 34rem; font-size: .85rem; }
        .bars th { text-align: right; font-weight: normal; color: var(--faint); white-space: nowrap; padding: 0 .6rem 0 0; width: 5rem; }
        .bars td { padding: 0; }
        .bars .n { text-align: right; padding-left: .6rem; width: 4rem; font-variant-numeric: tabular-nums; }
        .bar { display: block; width: 100%; height: .7rem; }
        .bar rect { fill: var(--bar); }
        .none { color: var(--faint); margin: 0; }
        footer { margin-top: 1.6rem; color: var(--faint); font-size: .85rem; }
        a { color: inherit; margin-left: .4rem; }

        """
}
