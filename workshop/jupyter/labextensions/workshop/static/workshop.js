// What JupyterLab has no setting for, as an extension that needs no build: this file is what
// webpack's module federation would make of it, a container with `init` and `get`
// (https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html, "Prebuilt extensions").

(() => {
  const here = document.currentScript.src;

  // Run All leaves the learner at the last cell, wherever it stopped.
  function showWhatStopped(app) {
    app.commands.commandExecuted.connect(async (_, ran) => {
      if (!/^notebook:(restart-)?(and-)?run-(all|to)/.test(ran.id)) return;
      const notebook = app.shell.currentWidget?.content;
      await ran.result.catch(() => {});
      if (!notebook?.scrollToItem || notebook.isDisposed) return;
      const count = (cell) => cell.model.executionCount ?? 0;
      const last = notebook.widgets.reduce((one, cell) => (count(cell) > count(one) ? cell : one));
      const outputs = last.model.outputs;
      const failed = outputs && [...Array(outputs.length).keys()].some((n) => outputs.get(n).type === "error");
      if (!failed) return;
      const index = notebook.widgets.indexOf(last);
      notebook.activeCellIndex = index;
      notebook.deselectAll();
      await notebook.scrollToItem(index, "start");
    });
  }

  // The launcher's terminal starts in the file browser's folder; that of the menu would not.
  function startTerminalsThere(app) {
    const execute = app.commands.execute.bind(app.commands);
    app.commands.execute = (id, args) => {
      if (id !== "terminal:create-new" || args?.cwd || args?.name) return execute(id, args);
      const browser = [...app.shell.widgets("left")].find((one) => one.id === "filebrowser");
      return execute(id, { ...args, cwd: browser?.model.path });
    };
  }

  // A notebook has "unsaved changes" as soon as its kernel has told which Python it is.
  function lookingChangesNothing(app) {
    const known = new WeakSet();
    app.shell.currentChanged.connect((_, { newValue }) => {
      const model = newValue?.content?.model;
      if (!model?.metadataChanged || known.has(model)) return;
      known.add(model);
      model.metadataChanged.connect((_, { key }) => {
        if (key !== "language_info" || model.dirty) return;
        queueMicrotask(() => (model.dirty = false)); // it becomes dirty right after this signal
      });
    });
  }

  const plugin = {
    id: "workshop:plugin",
    autoStart: true,
    activate(app) {
      showWhatStopped(app);
      startTerminalsThere(app);
      lookingChangesNothing(app);
    },
  };

  function addStyle() {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL("workshop.css", here);
    document.head.append(link);
  }

  const modules = {
    "./extension": () => ({ __esModule: true, default: plugin }),
    "./style": addStyle,
  };
  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB.workshop = { init() {}, get: async (name) => modules[name] };
})();
