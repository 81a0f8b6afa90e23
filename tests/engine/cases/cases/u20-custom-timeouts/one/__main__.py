import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

t = pulumi.CustomTimeouts
a = Thing("a", "1", opts=Opts(custom_timeouts=t(create="5m", update="90s", delete="1h")))
b = Thing("b", "1", opts=Opts(custom_timeouts=t(create="1.5m")))
comp = Component("comp", Opts(custom_timeouts=t(create="7m", delete="2m")))
c = Thing("c", "c", opts=Opts(parent=comp))
d = Thing("d", "d", opts=Opts(parent=a))
e = PlainThing("e", "e", opts=Opts(custom_timeouts=t(create="10s", delete="20s")))
