-- want: refused at load: the files load each other
require("load-requires-itself")
