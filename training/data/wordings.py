"""How people ask for the tools of a coding agent; of every six wordings one is for evaluation alone."""

WRITE_LINE = (
    "create {p} with the content {c}", "write {c} to {p}", "make a file {p} containing {c}", "save {c} in {p}",
    "write a file {p} that says {c}", "create a file named {p} with the text {c}",
    "create a file called {p} containing {c}", "put {c} into {p}", "write {p} with the text {c}",
    "create the file {p} with {c} in it", "add a file {p} with {c}", "write a file named {p} containing {c}",
    "create {p} with {c}", "make {p} with the content {c}", "create {p} containing {c}",
    "generate a file named {p} with content {c}", "make a new file {p} that contains {c}",
    "write the text {c} to the file {p}", "I need a file {p} with the text {c}", "store {c} in a file named {p}",
    "create {p}: {c}", "can you create {p} with the text {c}", "please make a file named {p} with the content {c}",
    "write {c} into a new file called {p}", "write {c} into the file {p}", "put the text {c} in the file {p}",
    "save the text {c} to {p}", "add {c} to a new file {p}", "make {p} say {c}", "new file {p} with the text {c}",
    "the file {p} should contain {c}", "create a new file named {p} with {c}", "write {c} in {p}",
    "make the file {p} with {c} in it", "save {c} as {p}", "a file {p} with the content {c}",
    "write a new file {p} with the text {c}", "store the text {c} in {p}", "create a file {p} that contains {c}",
    "put {c} in a file called {p}", "write {c} to a file called {p}", "create {p} and write {c} into it",
    "make a text file {p} with {c}", "add the file {p} with the text {c}", "save a file {p} containing {c}",
    "write to {p}: {c}", "put this text into {p}: {c}", "I want a file {p} that says {c}",
    "put {c} into a new file called {p}", "save {c} into a new file named {p}", "store {c} in a new file called {p}",
    "write {c} into a file named {p}", "save {c} to a new file {p}", "put {c} into a new file {p}",
)

WRITE_BLOCK = (
    "create {p} with this content:\n{c}", "write the following to {p}:\n{c}", "create a file named {p} with:\n{c}",
    "save this as {p}:\n{c}", "put this into {p}:\n{c}", "write {p}:\n{c}", "create {p} containing:\n{c}",
    "make a file {p} with this text:\n{c}", "create the file {p} with the following content:\n{c}",
    "here is {p}, please write it:\n{c}", "add a new file {p} with these lines:\n{c}",
    "write a file {p} containing:\n{c}", "save the following in {p}:\n{c}", "new file {p}:\n{c}",
    "write this to {p}:\n{c}", "write this code to {p}:\n{c}", "the file {p} should be:\n{c}",
    "make {p} with these lines:\n{c}", "create a file {p}:\n{c}", "write these lines to {p}:\n{c}",
    "save this text as {p}:\n{c}", "put the following into the file {p}:\n{c}",
    "make a new file {p} containing:\n{c}", "create {p} with:\n{c}",
    "create a file {p} with these lines:\n{c}", "save these lines as {p}:\n{c}", "I need {p} with these lines:\n{c}",
    "write {p} with these lines:\n{c}", "make {p} with the following lines:\n{c}", "put these lines into {p}:\n{c}",
)

READ = (
    "read {p}", "show me {p}", "open {p}", "read the file {p}", "look at {p}", "what is in {p}",
    "show the content of {p}", "display {p}", "print the file {p}", "what does {p} say", "have a look at {p}",
    "please read {p}", "check what is in {p}", "view {p}", "let me see {p}", "tell me what is in {p}",
    "what are the contents of {p}", "cat the file {p}", "show {p}", "show me the file {p}",
    "what does the file {p} contain", "open the file {p}", "look into {p}", "give me the content of {p}",
    "I want to see {p}", "read out {p}", "print {p}", "see what is in {p}", "what is written in {p}",
    "let me see the file {p}", "take a look at {p}", "what is inside {p}", "cat {p}",
    "please show me {p}", "read me {p}", "show what is in the file {p}",
)

READ_FROM = (
    "read {p} starting at line {o}", "show {p} from line {o} on", "open {p} at line {o}",
    "show me {p} beginning with line {o}", "read the file {p} from line {o}", "read {p} from line {o}",
    "read {p} beginning at line {o}", "open the file {p} from line {o}", "show {p} starting with line {o}",
    "print {p} from line {o} on", "look at {p} from line {o}", "starting at line {o}, read {p}",
    "starting with line {o}, show {p}", "beginning at line {o}, open {p}", "from line {o} on, read {p}",
    "starting from line {o}, print {p}", "at line {o}, open {p}", "from line {o}, show me {p}",
)

READ_FIRST = (
    "read the first {l} lines of {p}", "show the first {l} lines of {p}", "read only {l} lines of {p}",
    "show me the top {l} lines of {p}", "print the first {l} lines of {p}", "read {l} lines of {p}",
    "show me {l} lines of {p}", "show only the first {l} lines of {p}", "read the top {l} lines of {p}",
    "give me {l} lines of {p}", "the first {l} lines of {p} please", "show me the first {l} lines of the file {p}",
    "print {l} lines of {p}", "open {p}, only {l} lines", "just read {l} lines of {p}",
    "look at the first {l} lines of {p}", "display {l} lines of the file {p}", "what are the first {l} lines of {p}",
)

READ_BOTH = (
    "read {l} lines of {p} from line {o}", "show {l} lines of {p} starting at line {o}",
    "starting at line {o}, read {l} lines of {p}", "from line {o} of {p}, show {l} lines",
    "open {p} at line {o} and read {l} lines", "read {p} from line {o}, {l} lines",
    "show me {l} lines of {p} from line {o} on", "print {l} lines of {p} from line {o}",
    "from line {o}, read {l} lines of {p}", "read {l} lines of the file {p} starting with line {o}",
    "open {p} from line {o} and show {l} lines", "show {p} from line {o}, {l} lines",
)

EDIT = (
    "replace {a} with {b} in {p}", "in {p}, replace {a} with {b}", "change {a} to {b} in {p}",
    "in {p} change {a} to {b}", "substitute {b} for {a} in {p}", "edit {p}: replace {a} with {b}",
    "update {p}: {a} should become {b}", "edit {p} and change {a} to {b}", "modify {p} so that {a} becomes {b}",
    "swap {a} for {b} in {p}", "in the file {p}, {a} must be {b}", "in the file {p}, change {a} to {b}",
    "please replace {a} by {b} in {p}", "turn {a} into {b} in {p}", "in {p}: replace {a} with {b}",
    "can you change {a} to {b} in {p}", "rename {a} to {b} in {p}", "fix {p}: change {a} to {b}",
    "make {a} into {b} in {p}", "in {p} replace {a} by {b}", "put {b} in place of {a} in {p}",
    "edit {p}, {a} becomes {b}", "change {a} into {b} in the file {p}", "replace {a} in {p} with {b}",
    "in {p}, {a} should be {b}", "update {a} to {b} in {p}", "modify {p}: change {a} to {b}",
    "edit the file {p}: replace {a} with {b}", "in the file {p}, replace {a} with {b}", "correct {a} to {b} in {p}",
)

EDIT_ALL = (
    "replace all {a} with {b} in {p}", "change every {a} to {b} in {p}",
    "in {p}, replace all occurrences of {a} with {b}", "replace {a} with {b} everywhere in {p}",
    "replace each {a} by {b} in {p}", "in {p} change all {a} to {b}",
    "change all {a} to {b} in {p}", "replace every {a} with {b} in {p}", "in the file {p}, replace all {a} by {b}",
    "change {a} to {b} everywhere in {p}", "all {a} in {p} should become {b}", "replace all occurrences of {a} by {b} in {p}",
    "replace every occurrence of {a} with {b} in {p}", "in {p}, change all occurrences of {a} to {b}",
    "all occurrences of {a} in {p} should be {b}", "change each {a} to {b} in {p}", "in {p} replace all {a} with {b}",
    "change all occurrences of {a} into {b} in {p}",
    "in {p}, every {a} should become {b}", "edit {p}: replace every {a} with {b}", "edit {p} and change each {a} to {b}",
    "in the file {p}, turn all {a} into {b}", "in {p}: all {a} become {b}", "modify {p} so that every {a} becomes {b}",
)

BASH = (
    "run {c}", "execute {c}", "please run {c}", "run {c} in the terminal", "use the shell to run {c}",
    "run the command {c}", "run the tests with {c}", "call {c} in bash", "start {c}", "build it with {c}",
    "run {c} for me", "execute the command {c}", "run this: {c}", "can you run {c}", "try {c}", "check it with {c}",
    "do a {c}", "run the shell command {c}", "run {c} in bash", "use bash to run {c}", "in the terminal, run {c}",
    "what does {c} print", "execute {c} in the shell", "I want to run {c}", "type {c} in the terminal",
    "the command is {c}, run it", "start the command {c}", "run {c} and show the output", "launch {c}",
    "call the command {c}",
    "run {c} in a shell", "in the shell, run {c}", "open a shell and run {c}", "start {c} in a terminal",
    "execute {c} on the command line", "execute {c} in bash",
)

GLOB = (
    "find all {e} files", "which {e} files are there", "find every {e} file", "show me all the {e} files",
    "are there any {e} files", "list all {e} files", "look for {e} files", "search for {e} files",
    "give me a list of the {e} files", "get all {e} files", "where are the {e} files", "locate all {e} files",
    "list the {e} files", "find the {e} files", "show all {e} files", "which files are {e} files",
    "are there {e} files", "give me all the {e} files",
)

GLOB_PATTERN = (
    "find files matching {g}", "list the files that match {g}", "glob {g}", "which files match {g}",
    "show all files matching {g}", "find {g}", "find all files that match {g}", "list files matching {g}",
    "find the files with the pattern {g}", "look for files matching {g}", "use the pattern {g} to find files",
    "search for files that match {g}", "glob for {g}", "glob files with {g}", "give me the files matching {g}",
    "are there files that match {g}", "list all files like {g}", "find every file that matches {g}",
)

GREP = (
    "search for {x}", "grep for {x}", "find where {x} is used", "where is {x} used", "which files contain {x}",
    "search the code for {x}", "look for {x} in the code", "find {x} in the files", "find all lines with {x}",
    "where does {x} appear", "find occurrences of {x}", "search the files for {x}", "grep {x}",
    "find every use of {x}", "where is {x} defined", "look up where {x} is mentioned", "search all files for {x}",
    "find all places with {x}", "search in the files for {x}", "look for {x} in the files", "which lines contain {x}",
    "in which files is {x}", "where do we use {x}", "find the word {x} in the code", "grep the code for {x}",
    "grep the files for {x}", "show me where {x} is used", "search the project for {x}", "which file has {x} in it",
    "find lines that contain {x}",
    "search through the files for {x}", "look through all files for {x}", "scan all files for {x}",
    "check the files for {x}", "go through all the files for {x}", "search every file for {x}",
    "check every file for {x}", "look into each file for {x}", "go through every file and search for {x}",
    "use grep to look for {x}", "search for the text {x} in the files", "find all files that mention {x}",
)

FETCH = (
    "fetch {u}", "open {u}", "what does {u} say", "download {u}", "read the page {u}", "get the page {u}", "load {u}",
    "look at {u}", "visit {u}", "please fetch the website {u}", "show me the page {u}", "get {u}",
    "what is on the page {u}", "fetch the page {u}", "read {u}", "open the website {u}", "what is at {u}",
    "show me {u}", "load the page {u}", "get the content of {u}", "look up {u}", "open the page {u}",
    "download the page {u}", "what does the page {u} say",
)

TODO = (
    "make a todo list: {t}", "plan these tasks: {t}", "write a todo list with {t}", "create todos for: {t}",
    "put these on the todo list: {t}", "add these todos: {t}", "track these tasks: {t}", "note these todos: {t}",
    "set up a todo list: {t}", "add to my todos: {t}", "list as todos: {t}", "todo: {t}", "my todos: {t}",
    "new todos: {t}", "todo list: {t}", "todos: {t}", "write these todos: {t}", "put on my todo list: {t}",
    "add todos for {t}", "the todos are: {t}", "I have these todos: {t}", "remember these tasks: {t}",
    "write down these tasks: {t}", "tasks: {t}",
)

SKILL = (
    "use the {s} skill", "load the skill {s}", "activate the {s} skill", "open the skill named {s}",
    "get the {s} skill", "load the {s} skill", "use the skill {s}", "load the skill named {s}",
    "activate the skill {s}", "I need the {s} skill", "open the {s} skill", "get the skill {s}",
)

TASK = (
    "start a task {d} for the {a} agent: {p}", "let the {a} agent do the task {d}: {p}",
    "run the {a} agent on {d}: {p}", "delegate {d} to the {a} agent: {p}",
    "have the {a} subagent do {d} with the prompt {p}", "give the {a} agent the task {d} with the prompt {p}",
    "start the {a} agent on {d}: {p}", "ask the {a} agent to do {d} with the prompt {p}",
    "task {d} for the {a} agent: {p}", "give {d} to the {a} agent with the prompt {p}",
    "launch the {a} agent for {d}: {p}", "use the {a} agent for the task {d}: {p}",
)
