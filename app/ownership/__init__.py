"""Several web processes on one database: which rooms are this process's, and how it deals with those that are not.

    processes   this process among the others: registered, alive, and noticing who is not
    claims      what the database says about who owns what
    owners      rooms become ours, or are another's; what the dead leave is taken over
    elsewhere   asking the owner of a room
    visits      answering those who ask us
    mirrors     what the owner tells of its rooms, to clients here, without a gap
    presence    who is in a room, wherever they are connected

docs/adr/0002 says why a room has one owner.
"""
