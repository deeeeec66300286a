"""Kinds of nouns and verbs that decide what belongs to what in a caption."""

from data_pipeline.graphs.words import word_set

PERSONS = word_set(
    """
    man woman person people boy girl guy lady kid child baby toddler player singer dancer chef cook
    actor actress reporter host crowd audience group couple gentleman male female someone he she they
    model teacher student performer band teenager youth men women somebody anchor athlete baker barber clown
    coach character contestant customer driver father mother friend gamer girlfriend grandmother guest guitarist
    gymnast individual instructor judge mechanic musician narrator officer rapper rider runner skater skier soldier
    speaker surfer swimmer team teen worker wrestler brother sister son daughter family doctor drummer cheerleader
    pianist policeman fighter artist adult
    """
)
ANIMALS = word_set(
    """
    dog cat horse puppy kitten bird monkey bear lion tiger elephant cow pig fish animal rabbit panda goat sheep duck
    mouse squirrel parrot snake turtle frog chicken deer fox wolf whale dolphin shark insect spider
    """
)
VEHICLES = word_set(
    """
    car truck vehicle bus train van boat ship plane airplane jet helicopter motorcycle motorbike bike bicycle scooter
    tractor aircraft rocket tank jeep
    """
)
WORN = word_set(
    """
    shirt t-shirt hat dress suit hair glass glasses jacket coat mask cap pant pants jean jeans short shorts skirt
    uniform outfit costume tie beard moustache mustache lipstick sunglass sunglasses clothes clothing attire bikini
    swimsuit helmet apron robe scarf sweater vest hoodie gown tuxedo boot shoe glove makeup accent top blouse
    headphone goggles
    """
)
PLACES = word_set(
    """
    stage floor ground table desk chair couch sofa bed bench room kitchen bathroom bedroom studio street road sidewalk
    park field court gym pool beach yard garden forest office classroom hall stadium restaurant bar store shop house
    counter stool swing rug mat carpet grass lawn sand porch deck roof rooftop balcony bathtub tub corner mountain
    hill car boat background night day
    """
)
POSTURES = word_set("sit stand lie lay kneel lean hang rest squat crouch")
MOTIONS = word_set(
    """
    walk run jump fall climb ride fly swim slide dive crawl move go come roll step hop jog march skate ski surf sail
    travel leap drift float glide skip sprint stroll wander race speed stumble bounce pedal gallop trot drive land
    """
)
PUTTING = word_set(
    "put place dip pour drop set lay hang insert throw add stick spread roll mix stir cook fry"
)
TAKING = word_set("take remove pull get pick drink purchase buy throw grab cut steal drag eat")
GIVING = word_set("give hand show offer present award lend sell send teach")
# Verbs that say nothing without an object: in "peels and cuts a potato" both have it.
TRANSITIVES = word_set(
    """
    peel cut slice chop dice grate lift drop hold grab wrap brush braid pull push throw catch hit kick open close make
    prepare fold carry take put use apply add pour remove wash clean season wear demonstrate describe show discuss
    review repair fix hug kiss pet feed touch squeeze rinse stir mix crush pick bring chase attack build destroy cover
    """
)
# Verbs without an object: "the band performed" says what the band did.
INTRANSITIVES = word_set(
    """
    walk dance talk smile laugh arrive listen jump sit stand sleep swim cry bark speak appear happen fall go come
    crawl jog wait look scream
    """
)
# Nothing has a single scissor; "glasses" are worn unless something is in them.
PLURALS_ONLY = word_set(
    "scissors glasses clothes pants jeans shorts sunglasses goggles politics tights pajamas"
)
IRREGULAR_PLURALS = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "geese": "goose",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
    "wolves": "wolf",
    "knives": "knife",
}
